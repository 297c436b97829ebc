"""Nothing that is made from something else is stale; what counts as a change, and what running keeps."""

import re
import shutil

import colours
import fresh
import inputs
import nbformat
import notebooks
import pytest
import setup_cells
from contents import NOTEBOOKS, ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from mobilenet_edu.plots import COLORS


def test_nothing_is_stale():
    found = fresh.stale()
    assert not found, "\n".join(found)


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the package and a notebook that draws with it, where changing files harms nobody."""
    shutil.copytree(ROOT / "mobilenet_edu", tmp_path / "mobilenet_edu", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "book").mkdir()
    monkeypatch.setattr(inputs, "ROOT", tmp_path)
    monkeypatch.setattr(inputs, "BOOK", tmp_path / "book")
    monkeypatch.setattr(inputs, "KEPT", tmp_path / "book" / "inputs.txt")
    caches = (inputs.source, inputs._named_by)
    for each in caches:
        each.cache_clear()
    code = "from mobilenet_edu import exercises, plots\nplots.use_style()\nexercises.ch02.conv2d_macs.check(None)"
    write(tmp_path / "book" / "page.ipynb", "Text.", code)
    yield tmp_path
    for each in caches:
        each.cache_clear()


def write(path, text, *code):
    nbformat.write(new_notebook(cells=[new_markdown_cell(text), *map(new_code_cell, code)]), path)


def changed(copy, name, old, new):
    """Whether a change of a file of the copy makes its notebook stale; the change is taken back."""
    page = copy / "book" / "page.ipynb"
    inputs.keep(page, inputs.fingerprint(page))
    assert not inputs.stale()
    path = copy / name
    before = path.read_bytes()
    assert old.encode() in before
    path.write_bytes(before.replace(old.encode(), new.encode(), 1))
    for each in (inputs.source, inputs._named_by):
        each.cache_clear()
    found = inputs.stale()
    path.write_bytes(before)
    return found == [page]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("mobilenet_edu/plots.py", "#D55E00", "#B84700"),  # a colour
        ("mobilenet_edu/plots.py", "gap = sum(", "gap = 2 * sum("),  # how something is drawn
        ("mobilenet_edu/architecture.py", "\n\n\ndef ", "\n\n\nANOTHER = 1\n\n\ndef "),  # through plots
        ("mobilenet_edu/book.mplstyle", "font.size: 13", "font.size: 14"),  # a file that plots reads
        ("mobilenet_edu/exercises/ch02.py", "minutes=", "minutes=1 + "),  # the chapter's exercises
        ("mobilenet_edu/exercises/_engine.py", "import ast", "import ast, sys"),  # inside a package, by relative place
        ("book/page.ipynb", "check(None)", "check(1)"),  # its own code
    ],
)
def test_what_an_output_depends_on_makes_a_notebook_stale(copy, name, old, new):
    assert changed(copy, name, old, new)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("mobilenet_edu/plots.py", "COLORS = {", "# a comment\n\nCOLORS = {"),
        ("mobilenet_edu/plots.py", "One style for every figure", "The style of every figure"),  # a docstring
        ("mobilenet_edu/timing.py", "\n\n\ndef ", "\n\n\nANOTHER = 1\n\n\ndef "),  # which it does not import
        ("mobilenet_edu/exercises/ch03.py", "minutes=", "minutes=1 + "),  # another chapter's exercises
        ("mobilenet_edu/data/times.json", "{", "{ "),
        ("book/page.ipynb", "Text.", "Another text."),
    ],
)
def test_what_no_output_depends_on_makes_nothing_stale(copy, name, old, new):
    assert not changed(copy, name, old, new)


def test_a_cell_that_is_no_python_is_named(copy):
    write(copy / "book" / "page.ipynb", "Text.", "print(1", "x = 2")
    with pytest.raises(
        setup_cells.BookError, match=r"book/page.ipynb: Python cannot read 'print\(1'.*correct the cell"
    ):
        inputs.stale()


def test_the_set_up_cell_may_change_without_a_run(copy):
    page = copy / "book" / "page.ipynb"
    before = inputs.fingerprint(page)
    notebook = nbformat.read(page, as_version=4)
    notebook.cells.insert(0, new_code_cell("%pip install it", metadata={"tags": ["setup"]}))
    nbformat.write(notebook, page)
    assert inputs.fingerprint(page) == before


def test_every_stored_file_is_an_input_of_a_notebook_that_reads_it():
    read = set()
    for path in NOTEBOOKS:
        code = inputs.notebook_code(path)
        read |= {file.name for file in inputs.data_files(code, inputs.imported(code))}
    stored = {path.name for folder in ("data", "static") for path in (ROOT / "mobilenet_edu" / folder).iterdir()}
    missed = stored - read
    assert not missed, f"no module that a notebook imports names {missed}: write file names in one piece"


def test_running_keeps_outputs_and_inputs_and_leaves_a_notebook_that_fails_as_it_was(copy, capsys):
    good, bad = copy / "book" / "page.ipynb", copy / "book" / "bad.ipynb"
    write(good, "Good.", "print(6 * 7)")
    write(bad, "Bad.", "print(1)", "raise ValueError('no')")
    before = bad.read_bytes()
    assert notebooks.run_all([bad, good]) == 1
    assert nbformat.read(good, as_version=4).cells[1].outputs[0].text == "42\n"
    assert bad.read_bytes() == before
    assert inputs.stale() == [bad]
    assert "bad.ipynb failed: correct the cell, then run make fresh again" in capsys.readouterr().out


def test_a_layers_colour_is_written_once():
    made = {ROOT / name for name in colours.PLACES} | {ROOT / "mobilenet_edu" / "plots.py"}
    typed = re.compile("|".join(color for color in COLORS.values() if color != COLORS["pooling"]), re.IGNORECASE)
    files = [
        path for path in (ROOT / "mobilenet_edu").rglob("*.*") if path.suffix in (".py", ".css", ".js", ".mplstyle")
    ]
    files += [path for path in (ROOT / "book").rglob("*.*") if path.suffix in (".css", ".js", ".svg", ".md", ".py")]
    found = [path.name for path in files if path not in made and typed.search(path.read_text(encoding="utf-8"))]
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        found += [path.name for cell in cells if typed.search(cell.source)]
    assert not found, f"{found} type the colour of a layer: take it from plots.COLORS"


def test_a_changed_colour_changes_each_file_that_has_it(monkeypatch):
    assert not colours.texts()
    monkeypatch.setattr(colours, "COLORS", COLORS | {"depthwise": "#B84700", "standard": "#000001"})
    texts = {path.name: text for path, text in colours.texts().items()}
    assert {name: text.count("#B84700") for name, text in texts.items()} == {
        "book.css": 1,
        "favicon.svg": 1,
        "explorers.css": 0,
    }
    assert all(text.count("#000001") == 1 for text in texts.values())
