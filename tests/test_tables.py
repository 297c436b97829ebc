from fractions import Fraction

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup

from mobilenet_edu.tables import show_table


def cells(table):
    page = BeautifulSoup(table._repr_html_(), "html.parser")
    return [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in page.find_all("tr")]


def test_each_kind_of_value_is_written_as_a_reader_expects():
    row = (4608, 8.564, Fraction(25, 9), True, (8, 3, 3), "α < 1")
    shown = cells(show_table([row], list("abcdef"), decimals=2))
    assert shown == [list("abcdef"), ["4,608", "8.56", "25/9", "yes", "(8, 3, 3)", "α < 1"]]


def test_numbers_of_numpy_and_torch_are_numbers():
    row = (np.int64(4608), np.float32(0.5), np.bool_(True), torch.tensor(3), torch.tensor([1, 2]).sum())
    assert cells(show_table([row], list("abcde")))[1] == ["4,608", "0.5", "yes", "3", "3"]


def test_a_rounded_zero_has_no_sign():
    assert cells(show_table([(-0.04,)], ["error"]))[1] == ["0.0"]


def test_numbers_end_at_the_same_place_and_words_begin_there():
    lines = repr(show_table([("a", 1), ("bb", 1000)], ["name", "MACs"])).splitlines()
    assert lines == ["name   MACs", "a         1", "bb    1,000"]
    html = show_table([("a", 1)], ["name", "MACs"])._repr_html_()
    assert html.count('style="text-align: right;"') == 2


def test_truth_values_and_mixed_columns_are_no_numbers():
    assert "right" not in show_table([(True, 1), (False, "none")], ["same", "needs"])._repr_html_()


def test_a_table_without_rows_still_shows_its_columns():
    assert cells(show_table([], ["layer", "MACs"])) == [["layer", "MACs"]]


def test_text_cannot_become_markup():
    assert cells(show_table([("<script>",)], ["<b>"])) == [["<b>"], ["<script>"]]


@pytest.mark.parametrize(("row", "words"), [((1,), "1 values for 2 columns"), ((1, 2, 3), "3 values for 2 columns")])
def test_a_row_of_another_length_is_refused_by_name(row, words):
    with pytest.raises(ValueError, match=words):
        show_table([row], ["a", "b"])


@pytest.mark.parametrize("decimals", [-1, 1.5, True])
def test_decimals_must_count_digits(decimals):
    with pytest.raises((TypeError, ValueError), match="decimals="):
        show_table([(1.0,)], ["a"], decimals)


def test_each_column_may_have_digits_of_its_own():
    rows = [("α = 1", 568.74, 17.7, 4.41), ("α = 0.5", 149.5, 6.2, 12.6)]
    shown = cells(show_table(rows, ["network", "million MACs", "ms", "times"], decimals=[0, 0, 1, 2]))
    assert shown[1:] == [["α = 1", "569", "17.7", "4.41"], ["α = 0.5", "150", "6.2", "12.60"]]
    with pytest.raises(ValueError, match="decimals has 1 numbers for 2 columns"):
        show_table([(1.0, 2.0)], ["a", "b"], decimals=[1])
    with pytest.raises(ValueError, match="decimals=-1"):
        show_table([(1.0, 2.0)], ["a", "b"], decimals=[1, -1])


def test_a_long_table_waits_behind_a_line_that_a_reader_opens():
    table = show_table([("conv", 864)], ["layer", "weights"], behind="All layers & their weights")
    details = BeautifulSoup(table._repr_html_(), "html.parser").details
    assert details.summary.get_text() == "All layers & their weights"
    assert [cell.get_text() for cell in details.table.find_all("td")] == ["conv", "864"]
    assert "details" not in show_table([("conv", 864)], ["layer", "weights"])._repr_html_()
    assert repr(table) == repr(show_table([("conv", 864)], ["layer", "weights"]))
