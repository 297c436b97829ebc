"""What is handed out: reproducible, complete, runnable, and without a word of the solution."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from fractions import Fraction
from random import Random

import nbformat
import numpy
import pytest
import torch
from classroom import ROOT, SEED
from nbclient import NotebookClient

from instructor.assignments import ASSIGNMENTS, talk
from instructor.assignments.budget import CLASSES
from instructor.assignments.costs import count
from instructor.grading import compare, sentence
from instructor.notebooks import marking_scheme, solution_notebook, student_notebook, write, write_variants
from instructor.problem import Assignment, Problem, plain, seed_for, source


def run(notebook: nbformat.NotebookNode, capsys: pytest.CaptureFixture) -> str:
    """What the cells print, run one after the other; the set-up cell has IPython's syntax and is left out."""
    namespace: dict = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and not cell.source.startswith("# Set up"):
            exec(cell.source, namespace)
    return capsys.readouterr().out


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_untouched_hand_out_runs_and_says_what_is_not_answered(name, capsys):
    assignment = ASSIGNMENTS[name](SEED)
    lines = run(student_notebook(assignment), capsys).splitlines()
    assert {line.partition(":")[0] for line in lines} == {problem.name for problem in assignment.problems}
    assert all("not answered yet" in line for line in lines)


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_solutions_pass_their_own_checks(name, capsys):
    lines = run(solution_notebook(ASSIGNMENTS[name](SEED)), capsys).splitlines()
    assert lines
    assert all("right for this example" in line or "% of the MACs" in line for line in lines)


def test_the_hand_out_runs_in_a_notebook_set_up_cell_and_all():
    notebook = student_notebook(ASSIGNMENTS["costs"](SEED))
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(ROOT)}}).execute()
    outputs = [cell.outputs[0].text for cell in notebook.cells if cell.get("outputs")]
    assert len(outputs) == 5


def test_a_self_check_tells_expected_and_got_and_survives_an_error(capsys):
    notebook = student_notebook(ASSIGNMENTS["costs"](SEED))
    namespace: dict = {}
    exec(notebook.cells[2].source, namespace)

    def double(number):
        return 10 // number

    namespace["check"](double, [5], 10)
    namespace["check"](double, [0], 0)
    assert capsys.readouterr().out.splitlines() == [
        "double(5) should be 10, not 2",
        "double: raised ZeroDivisionError: integer division or modulo by zero",
    ]


@pytest.mark.parametrize(
    ("answer", "expected", "said"),
    [
        (("a", 1), ["a", 1], "right"),  # a tuple is a list to JSON
        (2, 2.0, "right"),
        (numpy.float64(2), 2.0, "right"),
        (numpy.str_("a"), "a", "right"),
        (2.0, 2, "should be 2, not 2.0"),
        ([True], [1], "should be [1], not [True]"),
        (numpy.int64(2), 2, "right"),  # and so is what NumPy and PyTorch compute
        (numpy.array([1, 2]), [1, 2], "right"),
        (numpy.float32(2), 2.0, "right"),
        ([numpy.int64(1), {"a": torch.tensor(2.5)}], [1, {"a": 2.5}], "right"),
        (torch.tensor(2), 2, "right"),
        (torch.ones(2, requires_grad=True), [1.0, 1.0], "right"),
        (numpy.int64(3), 2, "should be 2, not 3"),
        (numpy.float64(2), 2, "should be 2, not 2.0"),
        (Fraction(2), 2, "convert"),
        (4.32, 4.3217, "should be 4.3217"),
    ],
    ids=str,
)
def test_a_self_check_and_the_grader_agree(answer, expected, said, capsys):
    namespace: dict = {}
    exec(student_notebook(ASSIGNMENTS["costs"](SEED)).cells[2].source, namespace)

    def function():
        return answer

    worker = pytest.importorskip("instructor.worker")  # not on Windows
    namespace["check"](function, [], expected)
    assert said in capsys.readouterr().out
    reply = json.loads(worker.call({"f": function}, {"problem": "f", "probe": None, "arguments": []}))
    assert (said == "right") == (compare({"value": expected}, reply) == "")


def secrets(problem: Problem, assignment: Assignment) -> list[str]:
    """Lines of the solution, sentences about mistakes, and hidden cases; not what the hand-out must say itself."""
    said = "".join(other.stub + other.self_check for other in assignment.problems)
    said += "".join(source(other.probe) for other in assignment.problems if other.probe)
    solution = [line.strip() for line in source(problem.solution).splitlines()]
    lines = [line for line in solution if len(line) > 20 and line not in said and not line.startswith("from ")]
    assert lines
    public = {json.dumps(plain(case)) for case in problem.examples}
    cases = {json.dumps(plain(case)) for part in problem.parts for case in part.cases} - public
    hidden = [case[1:-1] for case in cases if len(case) > 12 and case[1:-1] not in said]
    return lines + hidden + [sentence(mistake) for mistake in problem.mistakes]


@pytest.mark.parametrize("name", ASSIGNMENTS)
@pytest.mark.parametrize("seed", ["", "2031 spring", SEED])
def test_no_hand_out_holds_solutions_mistakes_hidden_cases_or_the_seed(name, seed):
    assignment = ASSIGNMENTS[name](seed)
    notebook = student_notebook(assignment)
    # As text, as it stands in the file: metadata and outputs are searched too.
    released = [nbformat.writes(notebook), *(cell.source for cell in notebook.cells)]
    for problem in assignment.problems:
        for secret in secrets(problem, assignment):
            escaped = json.dumps(secret, ensure_ascii=False)[1:-1]
            assert not any(secret in text or escaped in text for text in released), secret
    if seed:
        assert not any(seed in text for text in released)
    check = {"instructor": {"check": True}}
    allowed = [{}, check, check | {"jupyter": {"source_hidden": True}}]
    allowed += [{"instructor": {"problem": problem.name}} for problem in assignment.problems]
    allowed += [{"instructor": {"by_hand": question.title}} for question in assignment.by_hand]
    assert all(dict(cell.metadata) in allowed and not cell.get("outputs") for cell in notebook.cells)


def test_the_search_for_secrets_finds_them_in_the_solutions():
    assignment = ASSIGNMENTS["costs"](SEED)
    text = "\n".join(cell.source for cell in solution_notebook(assignment).cells)
    for problem in assignment.problems:
        assert any(secret in text for secret in secrets(problem, assignment))


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_same_seed_gives_the_same_bytes_and_another_gives_other_numbers(name, tmp_path):
    one, again, other = (write(ASSIGNMENTS[name](seed), tmp_path / str(i)) for i, seed in enumerate(("x", "x", "y")))
    assert [path.name for path in one] == [f"{name}.ipynb", f"{name}_solution.ipynb", f"{name}_marking.md"]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in again]
    assert one[0].read_bytes() != other[0].read_bytes()
    for first, second in zip(ASSIGNMENTS[name]("x").problems, ASSIGNMENTS[name]("y").problems, strict=True):
        assert first.parts != second.parts


def test_a_hand_out_is_not_overwritten_by_another(tmp_path):
    write(ASSIGNMENTS["costs"]("x"), tmp_path)
    write(ASSIGNMENTS["costs"]("x"), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match="name a new folder"):
        write(ASSIGNMENTS["costs"]("y"), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_hand_out_names_every_part_with_its_points(name):
    text = "".join(cell.source for cell in student_notebook(ASSIGNMENTS[name](SEED)).cells)
    for problem in ASSIGNMENTS[name](SEED).problems:
        assert f"*{problem.points} points: " in text
        assert all(f"{part.name} ({part.points})" in text for part in problem.parts)


def test_hand_outs_do_not_depend_on_the_process():
    """String hashes differ between processes; nothing may hang on the order of a set."""
    script = "from instructor.assignments import ASSIGNMENTS as a; from instructor.notebooks import *;"
    script += "names = ('costs', 'budget');"
    script += "print([(student_notebook(a[n]('s')), marking_scheme(a[n]('s'))) for n in names])"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={"PYTHONHASHSEED": number},
            capture_output=True,
            check=True,
        ).stdout
        for number in ("1", "2")
    }
    assert len(outputs) == 1


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_marking_scheme_names_every_part_and_mistake(name):
    assignment = ASSIGNMENTS[name](SEED)
    scheme = marking_scheme(assignment)
    for problem in assignment.problems:
        assert all(f"| {part.name} | {part.points} |" in scheme for part in problem.parts)
        assert all(sentence(mistake) in scheme for mistake in problem.mistakes)
    for question in assignment.by_hand:
        assert all(what in scheme for what, _ in question.rubric)


def test_every_code_cell_of_a_hand_out_but_the_set_up_is_plain_python():
    for name in ASSIGNMENTS:
        for cell in student_notebook(ASSIGNMENTS[name](SEED)).cells[2:]:
            if cell.cell_type == "code":
                ast.parse(cell.source)


def test_the_plain_assignments_need_no_torch():
    script = "import sys; from instructor.notebooks import *; from instructor.assignments import ASSIGNMENTS as a;"
    script += "[student_notebook(a[n]('s')) for n in ('costs', 'budget')]; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_a_guess_comes_first_and_six_questions_follow_the_seed(name):
    ann, bo = (ASSIGNMENTS[name](seed).talk for seed in ("ann", "bo"))
    assert ann == ASSIGNMENTS[name]("ann").talk
    assert ann.prediction != bo.prediction
    assert len(ann.questions) == 6
    for each in (ann, bo):
        assert all(question.endswith(("?", ".")) and answer.endswith(".") for question, answer in each.questions)
    assert sum(one != other for one, other in zip(ann.questions, bo.questions, strict=True)) >= 4
    cells = [cell.source for cell in student_notebook(ASSIGNMENTS[name]("ann")).cells]
    assert ann.prediction in cells[3]
    assert not any(answer in cell for cell in cells for _, answer in ann.questions)
    assert all(answer in marking_scheme(ASSIGNMENTS[name]("ann")) for _, answer in ann.questions)


def test_the_questions_for_each_student_are_kept_in_one_file(tmp_path):
    write_variants(lambda student: ASSIGNMENTS["costs"](seed_for(SEED, student)), ["Ann", "Bo"], tmp_path)
    text = (tmp_path / "costs_questions.md").read_text()
    for student in ("Ann", "Bo"):
        assert f"## {student}\n" in text
        assert ASSIGNMENTS["costs"](seed_for(SEED, student)).talk.prediction in text


def test_the_number_that_a_student_explains_is_one_count_only():
    for seed in range(1000):  # for 2 of 132 layers the parameters and the outputs would be equally many
        question, answer = talk.costs(Random(seed)).questions[5]
        inputs, outputs, side, printed = re.search(
            r"with (\d+) inputs, (\d+) outputs, 3×3 and a bias on (\d+)² outputs: a tool prints ([\d,]+)", question
        ).groups()
        counts = count([int(inputs), int(outputs), 3, int(side), True], 1)
        number = int(printed.replace(",", ""))
        assert [name for name, each in counts.items() if each == number] == ["parameters"]
        assert number % 9
        assert answer.startswith("The parameters")


def test_the_macs_stop_a_student_who_is_asked_for_the_largest_network():
    asked = set()
    for seed in range(20):
        question, answer = talk.budget(Random(seed)).questions[2]
        (most,) = (int(each.replace(",", "")) for each in re.findall(r"within ([\d,]+) MACs", question))
        beyond = [int(each.replace(",", "")) for each in re.findall(r"\d+,\d{3},\d{3}", answer)]
        assert len(beyond) == 2
        assert min(beyond) > most
        asked.add(most)
    assert len(asked) == 3


def test_the_defence_is_about_networks_of_the_design_problem():
    task = ASSIGNMENTS["budget"](SEED).by_hand[0].task
    assert f"for {CLASSES} classes (the first problem has 1000)" in task
    assert f"mobilenet_v1(multiplier, resolution, {CLASSES})" in task


def test_one_rule_for_assistants():
    told = student_notebook(ASSIGNMENTS["costs"](SEED)).cells[0].source
    pages = [told, *((ROOT / name).read_text() for name in ("book/E_teaching.md", "instructor/capstone/README.md"))]
    for page in pages:
        text = " ".join(page.split())
        assert "an AI assistant" in text
        assert "what an error means or how an idea works" in text
        assert "explain and change what" in text
