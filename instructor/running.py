"""Runs one submission: looks at it once, then asks each part of each problem of a worker that starts afresh.

All that a worker says may be a lie: it is read as numbers and short words, or not at all.
"""

from __future__ import annotations

import builtins
import platform
import re
from typing import TYPE_CHECKING, Any

from instructor.problem import Outcome, Part, source
from instructor.sandbox import ANSWER_AT_MOST, Allowance, ForkedWorker, Keeper, Sandbox, StoppedError, Worker
from instructor.submissions import UnreadableError, printable

if TYPE_CHECKING:
    from instructor.grading import Graded, Grader, Key, Verdict

NOT_RUN = "Your notebook was stopped too often, the last time in code cell {}: it could not be run."
NO_NOTEBOOK = "Your file is empty, or damaged, or not a notebook: does it open in Colab?"
STOPS_AT_MOST = 8
PATIENCE = 3  # after so many time-outs, what is left of a submission has a tenth of the time
SLOW = 0.5  # seconds: a notebook whose cells take longer is run once for a problem, not once for each part
NAMES_AT_MOST = 3  # attempts at one answer that are tried on the examples
ERRORS = {name for name, each in vars(builtins).items() if isinstance(each, type) and issubclass(each, BaseException)}


class Session:
    """One submission with the sandbox that it runs in. Use it in a ``with`` statement.

    Attributes:
        student: the number or name that the notebook itself carries, or nothing.
        again: this is the second run of a submission whose first took too long.
    """

    def __init__(self, grader: Grader, notebook: int, graded: Graded, again: bool = False) -> None:
        self.grader, self.notebook, self.graded, self.again = grader, notebook, graded, again
        self.sandbox: Sandbox | None = None
        self.keeper: Keeper | None = None
        self.skip: list[int | list[int]] = []
        self.found: dict[str, list[tuple[int, bool]]] = {}
        self.checked: dict[str, int] = {}
        self.too_new: set[str] = set()
        self.student, self.cost, self.lost, self.pictures = "", 0.0, 0, False

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        for each in (self.keeper, self.sandbox):
            if each:
                each.close()
        self.keeper = self.sandbox = None

    @property
    def seconds(self) -> float:
        """What one thing may take: less, once this submission has let its time run out again and again."""
        return self.grader.seconds if self.lost < PATIENCE else self.grader.seconds / 10

    def worker(self) -> Worker:
        assignment, stopping = self.grader.assignment, self.grader.stopping
        if self.grader.stock is None:
            return Worker(
                sandboxed=self.grader.sandboxed,
                memory_mib=assignment.memory_mib,
                packages=assignment.packages,
                hidden=self.grader.hidden,
                notebook=self.notebook,
                stopping=stopping,
            )
        if not (self.keeper and self.keeper.is_alive()):
            self.read()
        return ForkedWorker(self.keeper, stopping)

    def read(self) -> None:
        """Start a process that has read the notebook, for workers that need not do so.

        Raises:
            UnreadableError: it is no notebook.
            StoppedError: reading it took too long, or all the memory.
        """
        memory_mib, stopping = self.grader.assignment.memory_mib, self.grader.stopping
        self._close()
        self.sandbox = Sandbox(self.grader.hidden) if self.grader.sandboxed else None
        stock = self.grader.stock_with_pictures() if self.pictures else self.grader.stock
        self.keeper = Keeper(stock, self.sandbox, memory_mib, self.notebook, stopping)
        said = self.keeper.read(self.job(), self.seconds)
        if said.get("pictures") is True:
            self.pictures = True
            return self.read()
        if "ready" not in said:
            raise UnreadableError(NO_NOTEBOOK)

    def job(self, worker: Worker | None = None, **more: object) -> dict[str, Any]:
        assignment = self.grader.assignment
        return {
            "problems": [problem.name for problem in assignment.problems],
            "by_hand": [question.title for question in assignment.by_hand],
            "skip": self.skip,
            "setup": self.grader.setup,
            "pictures": self.pictures,
            **({"descriptor": worker.notebook} if worker and worker.notebook is not None else {}),
            **more,
        }

    # Looking ------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Run the notebook without asking anything.

        What is said about its cells is fixed here, before the first hidden case: later it could tell one.
        """
        for _ in range(STOPS_AT_MOST):
            process: Worker | None = None
            try:
                with self.worker() as process:
                    allowance = Allowance(process, self.seconds)
                    self._read(process.ask(self.job(process, ours=self.grader.ours), allowance))
                    self.cost = allowance.used
                    return
            except StoppedError as stopped:
                self._pass_over(process or self.keeper, stopped)
        raise UnreadableError(NOT_RUN.format(self._last()))

    def _last(self) -> int:
        return (self.skip[-1] if type(self.skip[-1]) is int else self.skip[-1][0]) + 1

    def _pass_over(self, worker: Worker, stopped: StoppedError) -> None:
        """Leave out the statement that ran when the worker ended, and if there is none the whole cell."""
        cell, line = worker.running_cell, worker.running_line
        if not is_number(cell) or cell in self.skip:
            raise UnreadableError("Your notebook could not be read.") from stopped
        is_new = is_number(line) and [cell, line] not in self.skip
        self.skip.append([cell, line] if is_new else cell)
        where = f"code cell {cell + 1}" + (f", line {line}" if is_new else "")
        self.graded.remarks.append(f"C{where[1:]} was left out: {stopped}.")
        if stopped.slow:
            self.lost += 1
            self.graded.timeouts.append(where)

    def _read(self, loaded: dict[str, Any]) -> None:
        """Take what the worker says, as far as it can be true."""
        if "errors" not in loaded:
            raise UnreadableError(NO_NOTEBOOK)
        self.graded.remarks += [
            text for number, error in pairs(loaded["errors"])[:20] if (text := about_error(number, error))
        ]
        texts = loaded.get("texts") if type(loaded.get("texts")) is list else []
        self.graded.texts = [text for text in texts if type(text) is str]
        for problem, cells in pairs(loaded.get("found")):
            cells = cells if type(cells) is list else []
            self.found[problem] = [
                (each[0], each[1] is True)
                for each in cells
                if type(each) is list and len(each) == 2 and is_number(each[0])
            ]
        self.checked = {problem: cell for problem, cell in pairs(loaded.get("checked")) if is_number(cell)}
        if type(loaded.get("student")) is str and 0 < len(loaded["student"]) <= 100:
            self.student = loaded["student"]
        self._warn(loaded)

    def _warn(self, loaded: dict[str, Any]) -> None:
        """Say what a person should look at."""
        names = {problem.name for problem in self.grader.assignment.problems}
        for problem, cell in pairs(loaded.get("not_run")):
            if problem in names and is_number(cell):
                self.graded.remarks.append(
                    f"What looks like your `{problem}` stands in cell {cell}, which is no code cell, so it was not run."
                )
                self.graded.for_staff.append(f"`{problem}` stands in cell {cell}, which is no code cell.")
        carried = loaded.get("carries") if type(loaded.get("carries")) is list else []
        carries = {each for each in carried if type(each) is str}
        if carries and not carries & names:
            self.graded.is_another = True
            self.graded.for_staff.append(f"The notebook is of another assignment: it has {printable(min(carries))}.")
        if any("newer Python" in remark for remark in self.graded.remarks):
            version = platform.python_version()
            self.graded.for_staff.append(f"A cell may be written in a newer Python than {version}: grade it there.")
        said = loaded.get("too_new") if type(loaded.get("too_new")) is list else []
        self.too_new = {each for each in said if type(each) is str}

    # Choosing -----------------------------------------------------------------------------------------------------

    def definition(self, key: Key) -> int | None:
        """The cell whose answer counts: the last of several attempts that gets the examples right.

        A cell of the hand-out's own for this problem counts unless a later one is right. If none is, the last does.
        """
        problem = key.problem.name
        found = self.found.get(problem, [])
        if not found:
            return None
        named = [cell for cell, is_named in found if is_named]
        default = named[-1] if named else found[-1][0]
        others = [cell for cell, _ in reversed(found) if cell > default or not named]
        chosen = default
        if len(found) > 1:
            tried = (cell for cell in others[:NAMES_AT_MOST] if self._gets_examples_right(key, cell))
            chosen = next(tried, default)
            self._say_which(problem, sorted({cell + 1 for cell, _ in found}), chosen + 1)
        return chosen

    def _say_which(self, problem: str, cells: list[int], chosen: int) -> None:
        *first, last = cells
        if first:
            listed = f"{', '.join(map(str, first))} and {last}"
            self.graded.remarks.append(
                f"`{problem}` is defined in code cells {listed}: graded was the one in code cell {chosen}."
            )

    def _gets_examples_right(self, key: Key, cell: int) -> bool:
        with self.worker() as worker:
            try:
                worker.ask(self._load(worker, key, cell), 2 * self.seconds)
                allowance = Allowance(worker, self.seconds)
                return all(
                    key.passes_example(index, self._call(worker, key, case, allowance))
                    for index, case in enumerate(key.problem.examples)
                )
            except StoppedError:
                return False

    def _load(self, worker: Worker, key: Key, cell: int) -> dict[str, Any]:
        problem = key.problem.name
        return self.job(worker, problem=problem, cell=cell, stop=max(cell, self.checked.get(problem, cell)))

    # Asking -------------------------------------------------------------------------------------------------------

    def judge(self, key: Key) -> dict[str, list[Verdict]]:
        """What is to be said of each case of each part."""
        cell, parts = self.definition(key), list(key.problem.parts)
        if cell is None:
            outcome = {"too_new": True} if key.problem.name in self.too_new else {"missing": True}
            return {part.name: self._all(key, part, outcome) for part in parts}
        verdicts: dict[str, list[Verdict]] = {}
        while parts:
            if self.again and self.lost >= PATIENCE:  # it had its second chance; the first result stands
                part = parts.pop(0)
                verdicts[part.name] = self._all(key, part, {"stopped": "it took too long"})
                continue
            with self.worker() as worker:
                try:
                    worker.ask(self._load(worker, key, cell), 2 * self.seconds)
                except StoppedError as stopped:
                    part = parts.pop(0)
                    verdicts[part.name] = self._all(key, part, self._stopped(key, part, stopped))
                    continue
                going = True
                while parts and going:
                    part = parts.pop(0)
                    verdicts[part.name], going = self._ask_part(worker, key, part)
                    going = going and self.cost > SLOW
        return verdicts

    def _all(self, key: Key, part: Part, outcome: Outcome, start: int = 0) -> list[Verdict]:
        return [key.judge(part, index, outcome) for index in range(start, len(part.cases))]

    def _stopped(self, key: Key, part: Part, stopped: StoppedError) -> Outcome:
        if stopped.slow:
            self.lost += 1
            self.graded.timeouts.append(f"{key.problem.title}: {part.name}")
        return {"stopped": str(stopped)}

    def _ask_part(self, worker: Worker, key: Key, part: Part) -> tuple[list[Verdict], bool]:
        """The verdicts on one part, and whether the worker is still there."""
        allowance = Allowance(worker, self.seconds)
        verdicts: list[Verdict] = []
        for index, case in enumerate(part.cases):
            try:
                verdicts.append(key.judge(part, index, self._call(worker, key, case, allowance)))
            except StoppedError as stopped:
                return verdicts + self._all(key, part, self._stopped(key, part, stopped), index), False
        return verdicts, True

    def _call(self, worker: Worker, key: Key, case: tuple, allowance: Allowance) -> Outcome:
        problem = key.problem
        request = {"problem": problem.name, "arguments": case, "probe": None}
        if problem.probe:
            request |= {"probe": source(problem.probe), "probe_name": problem.probe.__name__}
        reply = worker.ask(request, allowance, ANSWER_AT_MOST)
        # Nothing else: whoever has taken the worker over knows this case, and a comment must not tell it.
        return {name: reply[name] for name in ("value", "error", "unreadable") if name in reply}


def is_number(value: object) -> bool:
    return type(value) is int and 0 <= value < 10**6


def pairs(value: object) -> list[tuple[str, Any]]:
    return list(value.items()) if type(value) is dict else []


def about_error(number: str, error: object) -> str:
    """A remark about a cell that failed: where, and what kind of error. Its own words could tell anything."""
    if not (re.fullmatch(r"[0-9]{1,6}", number) and type(error) is list and len(error) == 3):
        return ""
    kind = error[0] if type(error[0]) is str and error[0] in ERRORS else "an error"
    line = f", line {error[1]}" if is_number(error[1]) and error[1] else ""
    hint = " This may be the syntax of a newer Python than the grader's." if error[2] is True else ""
    return f"Code cell {int(number)}{line} failed: {kind}.{hint}"
