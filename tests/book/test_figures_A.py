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
    stored = json.loads(PRINTED.read_text(encoding="utf-8"))
    printed = {}
    for counter in stored.values():
        printed |= counter["mobilenets"]["1.0-224"] or {}
    macs = printed["calflops' MACs"]
    twice = {"FlopCounterMode of PyTorch", *(name for name in printed if name.endswith("FLOPs")), "torchstat's MAdd"}
    twice |= {"flopsmeter", "TensorFlow's profiler"}
    for name in lengths.keys() & printed.keys() - {"torchmeter's FLOPs", "torchmeter's MACs"}:
        assert lengths[name] == pytest.approx((printed[name] - (2 if name in twice else 1) * macs) / 1e6), name
    assert len(lengths.keys() & printed.keys()) >= 10


def test_the_longest_bars_are_those_in_training_mode_and_each_ends_in_its_length(drawn, lengths):
    assert max(lengths, key=lengths.get) in ("fvcore in training mode", "flopper in training mode")
    written = [text.get_text().strip() for text in drawn["axis"].texts]
    numbers = [text.split(" ")[0] for text in written if text[:1].isdigit() and "." in text]
    assert numbers == [f"{length:.2f}" for length in lengths.values()]


def test_every_part_that_can_be_seen_is_named(drawn):
    """Blue and orange are one grey where a printer has no colours."""
    said = " ".join(text.get_text() for text in drawn["axis"].texts)
    seen = sum(bar.get_width() > 1 for bar in drawn["axis"].patches)
    assert said.count("batch norm") + said.count("ReLU") == seen >= 20
