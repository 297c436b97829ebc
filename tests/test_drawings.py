import re
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from drawn import contrast

from mobilenet_edu import cost, drawings, plots

STATES = drawings.states()
LAST = STATES[-1]
PICTURE = dict(re.findall(r'data-key="([^"]+)"[^>]*><rect[^>]*/><text[^>]*>([^<]+)<', drawings.Splitting().svg()))


def grid(name, *, side=2):
    return [[int(PICTURE[f"{name}-{y}-{x}"].replace("−", "-")) for x in range(side)] for y in range(side)]


def test_the_counters_end_at_what_the_calculators_say():
    assert LAST.standard == cost.conv2d_cost(2, 3, 2, 3).macs
    assert LAST.depthwise == cost.depthwise_conv2d_cost(2, 2, 3).macs
    assert LAST.pointwise == cost.pointwise_conv2d_cost(2, 3, 2).macs


def test_every_number_of_the_picture_is_pytorchs():
    image, filters, matrix = (
        torch.tensor(each).float() for each in (drawings.CHANNELS, drawings.FILTERS, drawings.MATRIX)
    )
    maps = F.conv2d(image[None], filters[:, None], groups=2)[0]
    kernel = matrix[:, :, None, None] * filters
    outputs = F.conv2d(image[None], kernel)[0]
    for m in range(2):
        assert grid(f"channel-{m}", side=3) == image[m].tolist()
        assert grid(f"filter-{m}") == filters[m].tolist()
        assert grid(f"map-{m}") == maps[m].tolist()
    for n in range(3):
        assert grid(f"output-{n}") == outputs[n].tolist()
        for m in range(2):
            assert grid(f"kernel-{n}-{m}") == kernel[n, m].tolist()
    torch.testing.assert_close(torch.einsum("nm,mhw->nhw", matrix, maps), outputs)


def test_every_sentence_adds_up_to_the_number_that_it_names():
    for state in STATES:
        if state.lit:
            terms, total, count = re.search(r": (.*) = (−?\d+)\. (\d+) mult", state.says).groups()
            arithmetic = terms.replace("−", "-").replace("·", "*")
            assert re.fullmatch(r"[-+* \d]+", arithmetic)
            assert eval(arithmetic) == int(total.replace("−", "-")) == int(PICTURE[state.lit[-1]].replace("−", "-"))
            assert arithmetic.count("*") == int(count)


def test_each_moment_counts_what_it_says():
    for before, after in pairwise(STATES):
        more = sum(getattr(after, kind) - getattr(before, kind) for kind in ("standard", "depthwise", "pointwise"))
        assert more == (int(re.search(r"(\d+) mult", after.says)[1]) if after.lit else 0)


def test_what_is_lit_is_in_the_picture():
    for state in STATES:
        assert set(state.lit) | set(state.seen) <= set(PICTURE)


def test_the_still_picture_shows_every_number_and_says_the_end():
    html = drawings.Splitting()._repr_html_()
    assert html.count(LAST.says) >= 2  # below the drawing, and in its alternative text
    assert "later" not in drawings.Splitting().svg()


@pytest.mark.parametrize("paper", ["#ffffff", "#121212"])
@pytest.mark.parametrize("colour", plots.CHANNEL_COLORS)
def test_the_colour_of_a_channel_is_readable_on_either_paper(colour, paper):
    assert contrast(colour, paper) >= 3
