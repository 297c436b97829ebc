"""The data behind the figure of appendix B: every printed number that is checked, and by how much it exceeds ours."""

import pytest
from drawn import figures
from matplotlib.colors import to_hex

from mobilenet_edu import paper, plots

LOOKS = {
    "equal": ("o", plots.INK),
    "equal another way": ("s", plots.COLORS["standard"]),
    "not reproduced": ("X", plots.COLORS["depthwise"]),
}


def excess(figure):
    """In per cent."""
    return 100 * (float(figure.printed) / float(figure.ours_in_unit) - 1)


def test_each_point_is_a_printed_number_in_its_row_with_the_look_of_its_verdict():
    ax = figures("B")["fig-differences"]["ax"]
    places = [label.get_text() for label in ax.get_yticklabels()]
    checked = [f for f in paper.figures() if f.counts and not f.printed.startswith(">")]
    points = [line for line in ax.lines if line.get_marker() != "None"]
    assert len(points) == len(checked) > 100
    for point, figure in zip(points, checked, strict=True):
        assert point.get_xdata()[0] == pytest.approx(excess(figure), abs=1e-9)
        assert places[int(point.get_ydata()[0])] == figure.where
        assert (point.get_marker(), to_hex(point.get_color())) == (
            LOOKS[figure.verdict][0],
            to_hex(LOOKS[figure.verdict][1]),
        )
    far = [f.printed for f in checked if abs(excess(f)) > 9 and f.verdict != "equal"]
    assert [text.get_text() for text in ax.texts] == far
