"""The sample reports quote what was measured and what is computed, and their marks add up."""

from __future__ import annotations

import json
import re

import pytest
from classroom import ROOT

from mobilenet_edu.architecture import conv_mobilenet, mobilenet_v1

FOLDER = ROOT / "instructor" / "capstone"
MEASURED = json.loads((FOLDER / "measured.json").read_text())
NETWORKS = {f"MobileNet {multiplier}": mobilenet_v1(multiplier) for multiplier in (0.25, 0.5, 0.75, 1.0)}
NETWORKS["dense twin"] = conv_mobilenet()


def rows(text: str) -> dict[str, list[str]]:
    """The cells of every table row that begins with a network's name, all tables together."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if name in NETWORKS:
            found.setdefault(name, []).extend(cells)
    return found


def test_the_first_report_quotes_its_measurements_and_calculations():
    full = NETWORKS["MobileNet 1.0"].cost.macs
    medians = MEASURED["median_ms"]
    for name, cells in rows((FOLDER / "sample_report_1.md").read_text()).items():
        cost = NETWORKS[name].cost
        low, high = MEASURED["quartiles_ms"][name]
        assert cells == [
            f"{cost.macs:,}",
            f"{cost.params:,}",
            f"{cost.macs / full:.2f}",
            f"{medians[name]} ms",
            f"{low}–{high} ms",
            f"{medians[name] / medians['MobileNet 1.0']:.2f}",
        ]


def test_the_first_report_names_the_machine_and_its_rates():
    text = (FOLDER / "sample_report_1.md").read_text()
    version = MEASURED["machine"]["torch"].partition("+")[0]
    assert f"{MEASURED['machine']['processor']}, {MEASURED['machine']['system']}, torch {version}" in text
    assert f"then {MEASURED['rounds']} rounds" in text
    rates = {
        name: f"{NETWORKS[name].cost.macs / MEASURED['median_ms'][name] / 1e6:.1f} billion"
        for name in ("MobileNet 1.0", "MobileNet 0.25", "dense twin")
    }
    assert re.findall(r"[\d.]+ billion", text) == list(rates.values())


def test_the_second_report_quotes_single_runs():
    text = " ".join((FOLDER / "sample_report_2.md").read_text().split())
    for name, cells in rows((FOLDER / "sample_report_2.md").read_text()).items():
        millions = f"{NETWORKS[name].cost.macs / 1e6:.0f} million"
        assert cells == [millions, f"{MEASURED['single_ms'][name]} ms"]
    single = MEASURED["single_ms"]
    assert single["MobileNet 0.25"] > single["MobileNet 0.5"]
    assert f"only {single['dense twin'] / single['MobileNet 1.0']:.1f} times faster" in text
    *medians, last = [f"{median} ms" for median in MEASURED["median_ms"].values()]
    assert f"take {', '.join(medians)} and {last}" in text
    assert f"after a warm-up it takes {medians[0]}, the least of all" in text
    assert min(MEASURED["median_ms"].values()) == MEASURED["median_ms"]["MobileNet 0.25"]


def test_the_third_report_quotes_its_measurements_and_calculations():
    text = (FOLDER / "sample_report_3.md").read_text()
    medians = MEASURED["median_ms"]
    thin, full = NETWORKS["MobileNet 0.25"].cost.macs, NETWORKS["MobileNet 1.0"].cost.macs
    for name, cells in rows(text).items():
        cost = NETWORKS[name].cost
        assert cells == [
            f"{cost.macs / 1e6:.1f} M",
            f"{cost.params / 1e6:.2f} M",
            f"{medians[name]} ms",
            f"{medians[name] / medians['MobileNet 0.25']:.1f}",
        ]
    assert f"{full / thin:.1f} times the MACs" in text
    assert f"it takes {medians['MobileNet 0.5'] / medians['MobileNet 1.0']:.0%} of".replace("%", " %") in text
    assert medians["MobileNet 0.25"] / medians["MobileNet 1.0"] == pytest.approx(1 / 5, abs=0.02)  # "a fifth"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_marks_follow_the_rubric_and_add_up(number):
    guide = (FOLDER / "README.md").read_text()
    criteria = re.findall(r"^\| \*\*(.+?)\*\* \|", guide, re.MULTILINE)
    text = (FOLDER / f"sample_report_{number}.md").read_text()
    marks = {name: int(points) for name, points in re.findall(r"^\| ([A-Z][a-z ]+) \| (\d) \|", text, re.MULTILINE)}
    assert list(marks) == criteria
    assert set(marks.values()) <= {0, 2, 4}
    assert f"| **Total** | **{sum(marks.values())}** |" in text
    assert f"{4 * len(criteria)} points." in guide
    assert re.search(rf"sample_report_{number}\.md\) (earns )?{sum(marks.values())}\b", guide)
