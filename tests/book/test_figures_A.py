"""The data behind the figure of appendix A, held against what the counters printed."""

import json
from collections import Counter
from pathlib import Path

import pytest
from drawn import figures

PRINTED = Path(__file__).parents[2] / "experiments" / "results" / "counters.json"


@pytest.fixture(scope="module")
def drawn():
    return figures("A")["fig-counters"]


@pytest.fixture(scope="module")
def lengths(drawn):
    """How long each counter's bars are together."""
    axis, total = drawn["axis"], Counter()
    names = [label.get_text() for label in axis.get_yticklabels()]
    for bar in axis.patches:
        total[names[round(bar.get_y() + bar.get_height() / 2)]] += bar.get_width()
    return total


def test_each_counters_bars_are_as_long_as_what_it_printed_beyond_the_macs(lengths):
    printed = json.loads(PRINTED.read_text(encoding="utf-8"))["mobilenets"]["1.0-224"]
    macs = printed.pop("this book, and calflops' MACs")
    times = {"FlopCounterMode of PyTorch": 2, "calflops' FLOPs": 2}  # these count FLOPs
    beyond = {name: (number - times.get(name, 1) * macs) / 1e6 for name, number in printed.items()}
    # This network was counted in evaluation mode only.
    in_evaluation = {name: length for name, length in lengths.items() if name != "fvcore in training mode"}
    assert in_evaluation == pytest.approx(beyond)


def test_the_longest_bar_is_fvcores_in_training_mode_and_each_ends_in_its_length(drawn, lengths):
    assert max(lengths, key=lengths.get) == "fvcore in training mode"
    written = [text.get_text().strip() for text in drawn["axis"].texts]
    assert [text for text in written if text and "×" not in text] == [f"{length:.2f}" for length in lengths.values()]
