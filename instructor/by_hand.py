"""Marks that a person gives: one page to mark from, and the file that it saves.

The page needs no server: it keeps what is typed in the browser, and saves it as ``marks.csv``. Put that file into the
folder of the grades; from then on every command that writes grades or feedback reads it. A row of it is an answer:
whose it is (as a code, so that nobody is marked by name), the points of each row of the rubric or their sum, a comment,
and which text was marked, so that a text that changed afterwards is noticed.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

from instructor.grading import Graded
from instructor.problem import Assignment, ByHand
from instructor.submissions import printable
from instructor.tables import read_rows

NAME = "marks.csv"
COLUMNS = ("code", "question", "points", "comment", "text")
SCRIPT = (Path(__file__).parent / "by_hand.js").read_text(encoding="utf-8")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{}'"


@dataclass(frozen=True)
class Marked:
    """What a person gave one answer.

    Attributes:
        points: for each row of the rubric, or the sum alone.
        text: tells which text it was.
    """

    points: tuple[float, ...]
    comment: str = ""
    text: str = ""

    @property
    def total(self) -> float:
        return sum(self.points)


def code_of(student: str) -> str:
    """Stands for a student on the page and in the file."""
    return hashlib.sha256(student.encode("utf-8", "replace")).hexdigest()[:10]


def text_code(text: str) -> str:
    """Tells whether a text is the one that was marked."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:10]


def read_marks(assignment: Assignment, folder: Path) -> dict[tuple[str, str], Marked]:
    """What ``marks.csv`` says, by student's code and question.

    Raises:
        OSError: it is no such table, or somebody was given more points than there are.
    """
    path = folder / NAME
    if not path.is_file():
        return {}
    rows = read_rows(path)
    if rows and not {"code", "question", "points"} <= set(rows[0]):
        raise OSError(f"{path} has other columns than {', '.join(COLUMNS)}: by_hand.html saves such a file.")
    questions = {question.title: question for question in assignment.by_hand}
    found = {}
    for line, row in enumerate(rows, 2):
        question = questions.get(row["question"])
        if question is None:
            raise OSError(f"{path}, line {line}: no question is called {row['question']!r}.")
        if (row["points"] or "").strip():
            points = _points(row["points"], question, f"{path}, line {line}")
            found[row["code"], question.title] = Marked(points, row.get("comment") or "", row.get("text") or "")
    return found


def _points(text: str, question: ByHand, where: str) -> tuple[float, ...]:
    try:
        points = tuple(float(each.replace(",", ".")) for each in text.split())
    except ValueError:
        raise OSError(f"{where}: {text!r} must be a number, or one for each row of the rubric.") from None
    most = [of for _, of in question.rubric] if len(points) == len(question.rubric) > 1 else [question.points]
    if len(points) != len(most) or not all(0 <= each <= of for each, of in zip(points, most, strict=True)):
        raise OSError(f"{where}: {text!r} must be {' '.join(map(str, most))} at most, and no number below 0.")
    return points


def raw(graded: Graded, index: int) -> str:
    """The text to a question as it was found, which is what is marked."""
    return "".join(graded.texts[index : index + 1])


def written(graded: Graded, index: int, question: ByHand) -> str:
    """What the student wrote to a question, without the question."""
    asked = question.task.partition("*(your text)*")[0].strip()
    text = raw(graded, index).replace(asked, "").replace("*(your text)*", "").strip()
    return "\n".join(printable(line) for line in text.splitlines())


def body(assignment: Assignment, results: list[Graded], marks: dict[tuple[str, str], Marked]) -> str:
    """The page's content: each question with its rubric, then what everybody wrote, by row of the grades."""
    blocks = [
        '<p class="bar"><button type="button" id="save">Save marks.csv</button>',
        '<span id="said" role="status"></span></p>',
        "<p>Mark one row of the rubric for everybody before you go on to the next. A comment that you have written "
        "once can be chosen again. Put the file that you save into this folder; what you type stays in this browser "
        "too.</p>",
    ]
    for index, question in enumerate(assignment.by_hand):
        blocks.append(f"<h2>{escape(question.title)}</h2>\n{rubric_table(question)}")
        for row, graded in enumerate(results, 2):  # the first row of the table says what the columns are
            marked = marks.get((code_of(graded.student), question.title), Marked(()))
            blocks.append(_article(row, graded, index, question, marked))
    return "\n".join(blocks) + f"\n<script>{SCRIPT}</script>"


def policy() -> str:
    """What the browser may run: our script, and nothing that a text of a student's could bring."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return f'<meta http-equiv="Content-Security-Policy" content="{POLICY.format(digest)}">'


def rubric_table(question: ByHand) -> str:
    """The rubric in HTML, with what earns how much if it says so."""
    rows = []
    for (what, points), levels in zip(question.rubric, question.levels or ((),) * len(question.rubric), strict=True):
        said = "".join(f"<br>{points - lost}: {escape(level)}" for lost, level in enumerate(levels))
        rows.append(f"<tr><td>{escape(what)}{said}</td><td>{points}</td></tr>")
    head = '<thead><tr><th scope="col">look for</th><th scope="col">points</th></tr></thead>'
    return f"<table>\n{head}\n<tbody>\n" + "\n".join(rows) + "\n</tbody>\n</table>"


def _article(row: int, graded: Graded, index: int, question: ByHand, marked: Marked) -> str:
    """One answer, with a field for each row of the rubric."""
    text, code, of_text = written(graded, index, question), code_of(graded.student), text_code(raw(graded, index))
    given = marked.points if len(marked.points) == len(question.rubric) else ()
    fields = []
    for number, (what, points) in enumerate(question.rubric):
        value = f"{given[number]:g}" if given else ""
        fields.append(
            f'<label><input type="number" min="0" max="{points}" step="0.5" value="{value}"> of {points}: '
            f"{escape(what)}</label>"
        )
    about = f"{len(text.split())} words" if text else "Nothing below the question; it may stand elsewhere."
    changed = marked.text and marked.text != of_text
    warning = "<p><strong>This text has changed since it was marked.</strong></p>\n" if changed else ""
    return (
        f"<h3>Row {row}</h3>\n<p>{about}</p>\n{warning}<pre>{escape(text)}</pre>\n"
        f'<fieldset data-code="{code}" data-question="{escape(question.title)}" data-text="{of_text}">\n'
        f"<legend>Row {row}</legend>\n" + "\n".join(fields) + "\n"
        f"<label>Comment <textarea>{escape(marked.comment)}</textarea></label>\n"
        '<label>Used before <select><option value="">choose one</option></select></label>\n</fieldset>'
    )


def shown(question: ByHand, marked: Marked | None) -> str:
    """What the student sees of it, in HTML."""
    if marked is None:
        return f"<p>{question.points} points, read by a person.</p>"
    blocks = [f"<p>{marked.total:g} of {question.points} points, read by a person.</p>"]
    if len(marked.points) == len(question.rubric) > 1:
        rows = "".join(
            f"<tr><td>{escape(what)}</td><td>{points:g} of {of}</td></tr>\n"
            for (what, of), points in zip(question.rubric, marked.points, strict=True)
        )
        blocks.append(f"<table>\n<tbody>\n{rows}</tbody>\n</table>")
    if marked.comment.strip():
        comment = escape(re.sub(r"\s*\n\s*", "\n", marked.comment.strip()))
        blocks.append(f"<pre>{comment}</pre>")
    return "\n".join(blocks)
