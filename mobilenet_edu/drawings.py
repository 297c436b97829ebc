"""The convolution that splits: chapter 3's pencil example as a drawing that moves, without a kernel.

Python works out every state of the drawing, its numbers, its sentence and what is lit, and draws it once as SVG. The
script (``static/splitting.js``) only goes from one state to another. It begins with the last one, which tells the whole
story; without the script, and in print, that one stands.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from itertools import product
from math import prod
from pathlib import Path
from types import MappingProxyType

from mobilenet_edu.plots import CHANNEL_COLORS, COLORS

__all__ = ["CHANNELS", "FILTERS", "MATRIX", "Moment", "Splitting", "states"]

STATIC = Path(__file__).with_name("static")

# The example that chapter 3 works out by hand.
CHANNELS = (((3, 1, 0), (4, 1, 2), (2, 0, 1)), ((0, 1, 0), (2, 0, 1), (1, 1, 0)))  # (M, H, W)
FILTERS = (((1, 0), (0, -1)), ((1, 1), (0, 0)))  # (M, K, K)
MATRIX = ((1, 1), (1, -2), (0, 3))  # (N, M)

M, N, K = len(CHANNELS), len(MATRIX), len(FILTERS[0])
SIDE = len(CHANNELS[0]) - K + 1
PIXELS = tuple(product(range(SIDE), repeat=2))  # the pixels of a map, or the places of the kernel
TAPS = tuple(product(range(K), repeat=2))
CORNERS = {(0, 0): "top left", (0, 1): "top right", (1, 0): "bottom left", (1, 1): "bottom right"}


@dataclass(frozen=True)
class Moment:
    """What the drawing shows at one time.

    Attributes:
        stage: ``standard`` while one thick kernel slides, ``split`` once it has fallen apart.
        kernel: the output whose thick kernel is shown.
        lit: keys of the cells that are multiplied, and last the one that they make.
        seen: keys of the cells behind them: what the mixed maps were made from.
        says: the sentence below the drawing.
        standard, depthwise, pointwise: multiplications done so far.
    """

    stage: str
    kernel: int
    lit: tuple[str, ...]
    says: str
    seen: tuple[str, ...] = ()
    standard: int = 0
    depthwise: int = 0
    pointwise: int = 0


def states() -> tuple[Moment, ...]:
    """Every moment: the thick kernel at each place for each output, the split, the filters, and the mixing.

    >>> last = states()[-1]
    >>> last.standard, last.depthwise, last.pointwise
    (96, 32, 24)
    """
    start = Moment(
        "standard", 0, (), f"One filter per output, {M} kernels thick, as the image is. Play, or go step by step."
    )
    moments = [start]
    for key, lit, factors in _thick():
        done = moments[-1].standard + len(factors)
        moments.append(Moment("standard", key[0], lit, _sentence("Output", key, factors), standard=done))
    says = f"It is split: one thin filter per channel, and {M} numbers per output that mix the filtered maps."
    moments.append(replace(moments[-1], stage="split", lit=(), says=says))
    for key, lit, factors in _thin():
        done = moments[-1].depthwise + len(factors)
        moments.append(replace(moments[-1], lit=lit, says=_sentence("Map", key, factors), depthwise=done))
    for key, lit, factors in _mixing():
        done = moments[-1].pointwise + len(factors)
        says = _sentence("Output", key, factors)
        moments.append(replace(moments[-1], lit=lit, seen=_behind(*key[1:]), says=says, pointwise=done))
    return (*moments, replace(moments[-1], lit=(), seen=(), says=_summary(moments[-1])))


def _summary(last: Moment) -> str:
    both = last.depthwise + last.pointwise
    split = f"{last.depthwise} + {last.pointwise} = {both}"
    return f"The same outputs, since these filters can be split: {last.standard} multiplications before, {split} after."


Step = tuple[tuple[int, int, int], tuple[str, ...], list[tuple[int, int]]]  # where, what is lit, what is multiplied


def _thick() -> Iterator[Step]:
    for n, (y, x) in product(range(N), PIXELS):
        taps = [(m, i, j) for m in range(M) for i, j in TAPS]
        window = [_key("channel", m, y + i, x + j) for m, i, j in taps]
        kernel = [_key(f"kernel-{n}", *tap) for tap in taps]
        factors = [(MATRIX[n][m] * FILTERS[m][i][j], CHANNELS[m][y + i][x + j]) for m, i, j in taps]
        yield (n, y, x), (*window, *kernel, _key("output", n, y, x)), factors


def _thin() -> Iterator[Step]:
    for m, (y, x) in product(range(M), PIXELS):
        window = [_key("channel", m, y + i, x + j) for i, j in TAPS]
        kernel = [_key("filter", m, i, j) for i, j in TAPS]
        factors = [(FILTERS[m][i][j], CHANNELS[m][y + i][x + j]) for i, j in TAPS]
        yield (m, y, x), (*window, *kernel, _key("map", m, y, x)), factors


def _mixing() -> Iterator[Step]:
    maps = {key: _total(factors) for key, _, factors in _thin()}
    for n, (y, x) in product(range(N), PIXELS):
        column = [_key("matrix", n, 0, m) for m in range(M)]
        pixel = [_key("map", m, y, x) for m in range(M)]
        factors = [(MATRIX[n][m], maps[m, y, x]) for m in range(M)]
        yield (n, y, x), (*column, *pixel, _key("output", n, y, x)), factors


def _behind(y: int, x: int) -> tuple[str, ...]:
    """The windows and the filters that the maps' numbers at (y, x) were made from."""
    taps = [(m, i, j) for m in range(M) for i, j in TAPS]
    return (*(_key("channel", m, y + i, x + j) for m, i, j in taps), *(_key("filter", *tap) for tap in taps))


def _key(name: str, *place: int) -> str:
    return "-".join((name, *map(str, place)))


def _total(factors: Iterable[tuple[int, int]]) -> int:
    return sum(map(prod, factors))


def _sentence(what: str, key: tuple[int, int, int], factors: list[tuple[int, int]]) -> str:
    terms = " + ".join(f"{a}·{_number(b)}" for a, b in factors).replace("+ -", "− ").replace("-", "−")
    where = CORNERS[key[1:]]
    return f"{what} {key[0]}, {where}: {terms} = {_number(_total(factors))}. {len(factors)} multiplications."


def _number(value: int) -> str:
    return f"−{-value}" if value < 0 else str(value)


# The picture, in units of the SVG's viewBox.
WIDTH, HEIGHT, CELL = 480, 386, 30
LEFT = {"channel": 8, "kernel": 144, "filter": 122, "map": 214, "matrix": 304, "output": 408}
TOP = {"channel": (30, 158), "filter": (45, 173), "map": (45, 173), "kernel": (82, 150), "output": (30, 122, 214)}
BARS = {"standard": 326, "split": 364}
DOES = (  # kind of layer, what it does, from where to where, and in which stage
    ("standard", "filter and mix at once", 122, 468, "standard"),
    ("depthwise", "filter", 122, 274, "split"),
    ("pointwise", "mix", 304, 468, "split"),
)


class Splitting:
    """A convolution that splits into a depthwise and a pointwise part, for a notebook or a page to show.

    >>> Splitting()
    The same outputs, since these filters can be split: 96 multiplications before, 32 + 24 = 56 after.
    """

    def __init__(self) -> None:
        self.states = states()

    def __repr__(self) -> str:
        return self.states[-1].says

    def _repr_html_(self) -> str:
        data = escape(json.dumps([asdict(state) for state in self.states], separators=(",", ":"), ensure_ascii=False))
        css, js = ((STATIC / name).read_text(encoding="utf-8") for name in ("splitting.css", "splitting.js"))
        last = len(self.states) - 1
        buttons = "".join(
            f'<button type="button" data-go="{go}">{label}</button>'
            for go, label in (("play", "Play"), ("back", "Back"), ("on", "Step"), ("split", "Split"))
        )
        return (
            f"<style>{css}</style>\n"
            f'<div class="mobilenet-splitting" role="group" aria-label="The convolution that splits" '
            f'data-stage="split" data-states="{data}" style="{_colors()}">\n'
            f"{self.svg()}\n"
            f'<div hidden>{buttons}<input type="range" aria-label="Step" min="0" max="{last}" value="{last}"></div>\n'
            f'<output aria-live="polite">{escape(repr(self))}</output>\n</div>\n<script>{js}</script>'
        )

    def svg(self) -> str:
        """The drawing as SVG, every number in its place."""
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self._alt())}">'
            f"{''.join(_headings())}{''.join(_grids(self.states))}{''.join(_bars(self.states[-1]))}</svg>"
        )

    def _alt(self) -> str:
        return (
            f"An image of {M} channels, each 3 by 3. Standard, filter and mix at once: a filter as thick as the image "
            f"slides over it, one filter per output. Split: depthwise, one 2 by 2 filter per channel makes a map "
            f"of it; pointwise, a row per output mixes the maps at each pixel. {self!r}"
        )


def _colors() -> str:
    return ";".join(f"--channel-{m}:{color}" for m, color in enumerate(CHANNEL_COLORS))


def _headings() -> Iterator[str]:
    for name, text, middle, stage in (
        ("channel", "image", 45, ""),
        ("kernel", "filter, 2 thick", 30, "standard"),
        ("filter", "filters", 30, "split"),
        ("map", "maps", 30, "split"),
        ("matrix", "mix", 30, "split"),
        ("output", "outputs", 30, ""),
    ):
        yield f'<text class="head {stage}" x="{LEFT[name] + middle}" y="16">{text}</text>'
    for kind, does, left, right, stage in DOES:
        yield (
            f'<g class="{stage}"><rect x="{left}" y="280" width="{right - left}" height="4" fill="{COLORS[kind]}"/>'
            f'<text x="{(left + right) // 2}" y="299"><tspan class="head">{kind}</tspan>: {does}</text></g>'
        )


def _grids(moments: tuple[Moment, ...]) -> Iterator[str]:
    split = next(at for at, state in enumerate(moments) if state.stage == "split")
    shown: dict[str, list[int]] = {}  # the moments at which a cell gets its number: it is the last that is lit then
    for at, state in enumerate(moments):
        if state.lit:
            shown.setdefault(state.lit[-1], []).append(at)
    for m, grid in enumerate(CHANNELS):
        yield _grid("channel", m, grid, f"c{m}")
        yield f'<g class="split">{_grid("filter", m, FILTERS[m], f"c{m}")}</g>'
    for n in range(N):
        slices = "".join(
            _grid("kernel", m, [[MATRIX[n][m] * tap for tap in row] for row in FILTERS[m]], f"c{m} slice{m}", n)
            for m in range(M)
        )
        x, y = LEFT["kernel"] - 4, TOP["kernel"][0] - 4
        height = TOP["kernel"][-1] + K * CELL + 4 - y
        slab = f'<rect class="slab" x="{x}" y="{y}" width="{K * CELL + 8}" height="{height}" rx="6"/>'
        yield f'<g class="standard kernel" data-kernel="{n}">{slab}{slices}</g>'
    maps = {key: _total(factors) for key, _, factors in _thin()}
    outputs = {key: _total(factors) for key, _, factors in _mixing()}
    for m in range(M):
        grid = [[maps[m, y, x] for x in range(SIDE)] for y in range(SIDE)]
        yield f'<g class="split">{_grid("map", m, grid, f"c{m}", shown=shown)}</g>'
    for n in range(N):
        y = TOP["output"][n] + CELL // 2
        cells = "".join(
            _cell(_key("matrix", n, 0, m), LEFT["matrix"] + m * CELL, y, MATRIX[n][m], f"c{m}") for m in range(M)
        )
        yield f'<g class="split">{cells}<path d="M368 {y + 15}h30m-7 -5l7 5l-7 5"/></g>'
        grid = [[outputs[n, y, x] for x in range(SIDE)] for y in range(SIDE)]
        yield _grid("output", n, grid, "mixed", shown=shown, until=split)


def _grid(
    name: str,
    index: int,
    grid: Sequence[Sequence[int]],
    look: str,
    kernel: int | None = None,
    shown: Mapping[str, list[int]] = MappingProxyType({}),
    until: int = 0,
) -> str:
    """A small matrix; of thick kernels one for each output, so that its keys say which."""
    cells = []
    for (y, row), x in product(enumerate(grid), range(len(grid[0]))):
        key = _key(name if kernel is None else f"{name}-{kernel}", index, y, x)
        left, top = LEFT[name] + x * CELL, TOP[name][index] + y * CELL
        cells.append(_cell(key, left, top, row[x], look, shown.get(key), until))
    return "".join(cells)


def _cell(key: str, x: int, y: int, value: int, look: str, times: list[int] | None = None, until: int = 0) -> str:
    when = f' data-from="{" ".join(map(str, times))}" data-until="{until}"' if times else ""
    return (
        f'<g class="cell {look}" data-key="{key}"{when}><rect x="{x}" y="{y}" width="{CELL}" height="{CELL}"/>'
        f'<text x="{x + CELL // 2}" y="{y + 21}">{_number(value)}</text></g>'
    )


def _bars(last: Moment) -> Iterator[str]:
    scale = (WIDTH - 16) / last.standard
    place = 8.0
    for name, stage in (("standard", "standard"), ("depthwise", "split"), ("pointwise", "split")):
        left, count = (8.0 if name == "standard" else place), getattr(last, name)
        if stage == "split":
            place += count * scale
        top, unit = BARS[stage], " multiplications" if name == "standard" else ""
        label = f'{name} <tspan data-count="{name}">{count}</tspan>{unit}'
        yield (
            f'<text class="label" x="{left:g}" y="{top - 4}">{label}</text>'
            f'<rect class="room" x="{left:g}" y="{top}" width="{count * scale:g}" height="14"/>'
            f'<rect data-bar="{name}" data-scale="{scale:g}" x="{left:g}" y="{top}" width="{count * scale:g}" '
            f'height="14" fill="{COLORS[name]}"/>'
        )
