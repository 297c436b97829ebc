"""What passes every check after *Restart & Run All* earns its points, and what was not run is said to be so."""

from __future__ import annotations

import csv
import io
import json
import zipfile

import nbformat
import pytest
from classroom import ROOT, SEED, code, hand_in, needs_sandbox, solved
from nbclient import NotebookClient

from instructor.__main__ import main
from instructor.assignments import ASSIGNMENTS
from instructor.problem import source

pytestmark = needs_sandbox

ASSIGNMENT = ASSIGNMENTS["costs"](SEED)
ALL, CONV = 32, 8
ANSWER = source(ASSIGNMENT.problems[0].solution)
WITHOUT_IMPORT = ANSWER.replace("    from math import prod\n\n", "")
WRONG = ANSWER.replace("prod(kernel) *", "2 * prod(kernel) *")
INDENTED = "\n".join("    " + line for line in ANSWER.splitlines())


def with_cells(notebook: dict, *cells: dict, after: str) -> dict:
    """The notebook with further cells below the one that has ``after`` in it."""
    place = next(n for n, cell in enumerate(notebook["cells"]) if after in "".join(cell["source"]))
    return {**notebook, "cells": [*notebook["cells"][: place + 1], *cells, *notebook["cells"][place + 1 :]]}


def changed(old: str, new: str, **answers: str | None) -> dict:
    """A solved notebook in whose cells ``old`` became ``new``."""
    notebook = solved(**answers)
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"]).replace(old, new)
    return notebook


def markdown(source: str) -> dict:
    return {"cell_type": "markdown", "source": source, "metadata": {}}


HELPERS = """from math import prod

def positions(sizes, kernel, stride):
    return [1 + (a - b) // stride for a, b in zip(sizes, kernel)]

"""
DRAFT = HELPERS + "def conv_macs(*case):\n    return 0"
WITH_HELPERS = """def conv_macs(in_channels, out_channels, kernel, sizes, stride, groups):
    return prod(positions(sizes, kernel, stride)) * prod(kernel) * in_channels // groups * out_channels"""
OTHER_NAME = ANSWER.replace("conv_macs", "_f")
USES_HELPER = f"{OTHER_NAME}\n\ndef helper(*case): return _f(*case)\n\ndef conv_macs(*case): return helper(*case)"
REUSED = "def helper(*numbers):\n    return 0"
PROMPTS = "\n".join(f"{'...' if n else '>>>'} {line}" for n, line in enumerate(ANSWER.splitlines()))
IMPORTS = "from math import prod\nfrom importlib import"

# These pass every check in a notebook, so they get every point.
PASSES = {
    "an import in the set-up cell": changed("from importlib import", IMPORTS, conv_macs=WITHOUT_IMPORT),
    "an import in the cell that checks": changed(
        "check(conv_macs, [16", "from math import prod\ncheck(conv_macs, [16", conv_macs=WITHOUT_IMPORT
    ),
    "helpers in a draft of the answer": with_cells(solved(conv_macs=WITH_HELPERS), code(DRAFT), after="# Set up"),
    "a correction below the answer": with_cells(solved(conv_macs=WRONG), code(ANSWER), after="2 * prod(kernel)"),
    "a correction at the end": {**solved(conv_macs=WRONG), "cells": [*solved(conv_macs=WRONG)["cells"], code(ANSWER)]},
    "a definition in an if": solved(conv_macs=f"if True:\n{INDENTED}"),
    "a definition in a try": solved(conv_macs=f"try:\n{INDENTED}\nfinally:\n    pass"),
    "an annotated assignment": solved(conv_macs=f"{OTHER_NAME}\nconv_macs: object = _f"),
    "a lambda": solved(conv_macs=f"{OTHER_NAME}\nconv_macs = lambda *case: _f(*case)"),
    "a name given by a loop": solved(conv_macs=f"{OTHER_NAME}\nfor conv_macs in [_f]: pass"),
    "a global": solved(conv_macs=f"def make():\n    global conv_macs\n{INDENTED}\nmake()"),
    "help with a question mark": solved(conv_macs=f"{ANSWER}\nconv_macs?"),
    "help with two": solved(conv_macs=f"{ANSWER}\nconv_macs??"),
    "a question mark before": solved(conv_macs=f"?conv_macs\n{ANSWER}"),
    "what the shell says": solved(conv_macs=f"files = !ls\n{ANSWER}"),
    "a measurement": solved(conv_macs=f"t = %timeit -o -n1 1+1\n{ANSWER}"),
    "a timed statement": solved(conv_macs=f"{OTHER_NAME}\n%time conv_macs = _f"),
    "a command on two lines": solved(conv_macs=f"!pip install \\\n    nothing\n{ANSWER}"),
    "a magic on two lines": solved(conv_macs=f"%pip install \\\n    nothing\n{ANSWER}"),
    "a timed cell": solved(conv_macs=f"%%time\n{ANSWER}\nfiles = !ls"),
    "a captured cell": solved(conv_macs=f"%%capture out\n{ANSWER}"),
    "a pasted prompt": solved(conv_macs=PROMPTS),
    "a helper of the same name for another problem": with_cells(
        solved(conv_macs=USES_HELPER), code(REUSED), after="check(conv_macs"
    ),
    "a cell in another language": solved(extra="%%html\n<b>conv_macs</b>"),
}  # fmt: skip

BY_HAND = ASSIGNMENTS["budget"](SEED).by_hand[0]


def in_a_zip(notebook: dict) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("hw/costs.ipynb", json.dumps(notebook))
        archive.writestr("__MACOSX/hw/._costs.ipynb", "nothing")
    return file.getvalue()


def in_format_3() -> dict:
    cells = [
        {
            "cell_type": "code",
            "input": cell["source"],
            "language": "python",
            "metadata": cell["metadata"],
            "outputs": [],
        }
        if cell["cell_type"] == "code"
        else {"cell_type": "markdown", "source": cell["source"], "metadata": {}}
        for cell in solved()["cells"]
    ]
    return {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}


def with_large_outputs() -> dict:
    notebook = solved()
    picture = {"output_type": "display_data", "data": {"image/png": "A" * 40_000_000}, "metadata": {}}
    notebook["cells"][1]["outputs"] = [picture]
    return notebook


OPENED = {
    "UTF-16": json.dumps(solved()).encode("utf-16"),
    "UTF-16 without a mark": json.dumps(solved()).encode("utf-16-le"),
    "UTF-8 with a mark": json.dumps(solved()).encode("utf-8-sig"),
    "nbformat 3": json.dumps(in_format_3()).encode(),
    "a cell without source": json.dumps(
        {**solved(), "cells": [{"cell_type": "code", "metadata": {}, "outputs": []}, *solved()["cells"]]}
    ).encode(),
    "forty megabytes of outputs": json.dumps(with_large_outputs()).encode(),
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    for name, notebook in PASSES.items():
        hand_in(folder / "in", name, notebook)
    for name, content in OPENED.items():
        (folder / "in" / f"{name}.ipynb").write_bytes(content)
    (folder / "in" / "one zip").mkdir()
    (folder / "in" / "one zip" / "hw.zip").write_bytes(in_a_zip(solved()))
    scratch = {"cells": [code("x = 1")]}
    for folder_name, others in {
        "a scratch file": {"Untitled": scratch},
        "other exercises": {"exercises": scratch, "my_work": scratch},
        "a whole term": {"block": solved("block"), "zz budget": solved("budget")},
    }.items():
        hand_in(folder / "in" / folder_name, "costs", solved())
        for name, notebook in others.items():
            hand_in(folder / "in" / folder_name, name, notebook)
    hand_in(folder / "in" / "renamed", "homework one", solved())
    hand_in(folder / "in" / "renamed", "costs", scratch)
    turned = solved()
    for cell in turned["cells"]:
        if "def conv_macs" in "".join(cell["source"]):
            cell["cell_type"] = "markdown"
    hand_in(folder / "in", "turned Markdown", turned)
    newer = 'f"{dict(a=1)["a"]}"\ntype Sizes = list'
    hand_in(folder / "in", "newer Python", solved(conv_macs=ANSWER.replace("-> int:", "-> int:\n    type A = int")))
    hand_in(folder / "in", "newer Python beside it", solved(conv_macs=f"{newer}\n{ANSWER}\n{newer}"))
    loop = f"{ANSWER}\n\nwhile True:\n    pass"
    hand_in(folder / "in", "a loop below the answer", solved(conv_macs=loop))
    hand_in(folder / "in", "takes long to read", solved(extra="x = [1]\n" * 1_000_000))
    hand_in(folder / "in", "draws", solved(extra="import matplotlib.pyplot as plt\nplt.plot([1, 2])"))
    hand_in(folder / "in", "of another assignment", solved("budget"))
    hand_in(folder / "in", "set-up missing", solved(extra="undefined_name"))
    command = ["grade", "costs", str(folder / "in"), "--seed", SEED, "--out", str(folder / "out"), "--seconds", "2"]
    assert main(command) == 0
    with (folder / "out" / "grades.csv").open(newline="", encoding="utf-8-sig") as file:
        return {row["student"]: row for row in csv.DictReader(file)}, folder / "out"


@pytest.mark.parametrize("name", PASSES)
def test_what_passes_every_check_gets_every_point(graded, name):
    assert graded[0][name]["points"] == str(ALL), graded[0][name]["remarks"]


@pytest.mark.parametrize(
    "name", ["an import in the set-up cell", "a measurement", "a command on two lines", "help with two"]
)
def test_they_do_pass_in_a_notebook(name):
    """So it is not the grader that is generous."""
    notebook = nbformat.from_dict({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, **PASSES[name]})
    NotebookClient(notebook, timeout=600, allow_errors=True, resources={"metadata": {"path": str(ROOT)}}).execute()
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert printed.count("right for this example") == 10


@pytest.mark.parametrize("name", [*OPENED, "one zip"])
def test_a_file_that_can_be_read_is_read(graded, name):
    assert graded[0][name]["points"] == str(ALL), graded[0][name]["remarks"]


@pytest.mark.parametrize("name", ["a scratch file", "other exercises", "a whole term", "renamed"])
def test_the_notebook_of_this_assignment_counts_whatever_lies_beside_it(graded, name):
    assert graded[0][name]["points"] == str(ALL)


def test_of_two_definitions_the_remark_names_both(graded):
    remarks = graded[0]["a correction at the end"]["remarks"]
    assert "`conv_macs` is defined in code cells 3 and 13: graded was the one in code cell 13." in remarks


def test_an_answer_that_became_markdown_is_pointed_out_to_student_and_staff(graded):
    rows, out = graded
    row = rows["turned Markdown"]
    assert row["points"] == str(ALL - CONV)
    assert "which is no code cell" in row["remarks"]
    assert "which is no code cell" in row["for staff"]
    assert "which is no code cell" in (out / "feedback" / "turned_Markdown.html").read_text()


def test_newer_syntax_is_said_to_be_that(graded):
    row = graded[0]["newer Python"]
    assert row["points"] == str(ALL - CONV)
    assert "newer Python than the grader's" in row["remarks"]
    assert "newer Python" in row["for staff"]
    page = (graded[1] / "feedback" / "newer_Python.html").read_text()
    assert "it seems to be written for a newer one" in page
    assert "no function with the name" not in page


def test_an_answer_beside_newer_syntax_counts(graded):
    row = graded[0]["newer Python beside it"]
    assert row["points"] == str(ALL)
    assert "newer Python than the grader's" in row["remarks"]


def test_an_answer_above_a_loop_is_kept(graded):
    row = graded[0]["a loop below the answer"]
    assert row["points"] == str(ALL)
    assert "it took too long" in row["remarks"]
    assert "Took too long" in row["for staff"]


def test_a_cell_that_takes_long_to_read_is_left_out(graded):
    assert graded[0]["takes long to read"]["points"] == str(ALL)
    assert "Code cell 1" in graded[0]["takes long to read"]["remarks"]


def test_drawing_leaves_no_remark(graded):
    assert graded[0]["draws"]["points"] == str(ALL)
    assert graded[0]["draws"]["remarks"] == ""


def test_a_notebook_of_another_assignment_is_pointed_out(graded):
    assert "another assignment" in graded[0]["of another assignment"]["for staff"]


def test_a_class_of_another_assignment_is_warned_of(tmp_path, capsys):
    for name in ("Ann", "Bo", "Cy"):
        hand_in(tmp_path / "in", name, solved("budget"))
    assert main(["grade", "costs", str(tmp_path / "in"), "--seed", SEED, "--out", str(tmp_path / "out")]) == 0
    assert "3 of 3 notebooks are of another assignment" in capsys.readouterr().err
    assert "another assignment" in (tmp_path / "out" / "summary.html").read_text()


def test_a_class_without_points_is_warned_of(tmp_path, capsys):
    for name in ("Ann", "Bo", "Cy"):
        hand_in(tmp_path / "in", name, {"cells": [code("x = 1")]})
    assert main(["grade", "costs", str(tmp_path / "in"), "--seed", SEED, "--out", str(tmp_path / "out")]) == 0
    assert "3 of 3 students have no points" in capsys.readouterr().err


def test_the_design_may_use_what_the_hand_out_imports(tmp_path):
    """The cell that checks it imports `from_table`, so the answer may use it, and the stub imports it, too."""
    (problem,) = [each for each in ASSIGNMENTS["budget"](SEED).problems if each.name == "design"]
    assert "import from_table, separable_block" in problem.stub
    answer = source(problem.solution).replace("TABLE_1, from_table, separable_block", "TABLE_1")
    hand_in(tmp_path / "in", "Ann", solved("budget", design=answer))
    assert main(["grade", "budget", str(tmp_path / "in"), "--seed", SEED, "--out", str(tmp_path / "out")]) == 0
    with (tmp_path / "out" / "grades.csv").open(newline="", encoding="utf-8-sig") as file:
        (row,) = csv.DictReader(file)
    assert row["points"] == row["of"]


def defence(*cells: dict) -> dict:
    """A budget notebook whose last cell, the defence, is replaced by these."""
    notebook = solved("budget")
    title = notebook["cells"][0]
    title["source"] = "".join(title["source"]).replace(" (solutions)", "")
    return {**notebook, "cells": [*notebook["cells"][:-1], *cells]}


TAG = {"instructor": {"by_hand": BY_HAND.title}}
TEXT = "I choose alpha one half because it fits the budget with room to spare."
PLACES = {
    "in the cell": [markdown(BY_HAND.task.replace("*(your text)*", TEXT)) | {"metadata": TAG}],
    "below": [markdown(BY_HAND.task) | {"metadata": TAG}, markdown(TEXT)],
    "instead of everything": [markdown(TEXT) | {"metadata": TAG}],
    "instead of everything, without metadata": [markdown(TEXT)],
    "under a renamed heading": [markdown("## My defence\n\n" + TEXT) | {"metadata": TAG}],
    "under a bold heading": [markdown(f"**{BY_HAND.title}**\n\n{TEXT}")],
    "above the heading": [markdown(f"{TEXT}\n\n{BY_HAND.task}") | {"metadata": TAG}],
    "in a code cell": [markdown(BY_HAND.task) | {"metadata": TAG}, code(TEXT + " " + TEXT)],
    "in a raw cell": [markdown(BY_HAND.task) | {"metadata": TAG}, {**markdown(TEXT), "cell_type": "raw"}],
}


def test_a_defence_is_found_wherever_it_stands(tmp_path):
    for name, cells in PLACES.items():
        hand_in(tmp_path / "in", name, defence(*cells))
    first = defence()
    first["cells"].insert(0, PLACES["in the cell"][0])
    hand_in(tmp_path / "in", "moved to the top", first)
    assert main(["grade", "budget", str(tmp_path / "in"), "--seed", SEED, "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "by_hand.html").read_text()
    rows = page.split("<h3>")[1:]
    assert len(rows) == len(PLACES) + 1
    for row in rows:
        assert TEXT in row
        assert "Write into this cell" not in row
        assert len(row.partition("</pre>")[0].split()) < 60  # neither the questions nor our code
