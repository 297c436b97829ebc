"""What an exercise is, and how an answer to it is checked.

An answer is a function. It is called on hand-picked and on random arguments, and compared with a reference that gets
the same ones. A wrong answer is looked up in the exercise's catalogue of typical mistakes, so that the learner hears
what went wrong. Nothing that an answer does (raise, loop, print, change its arguments) ends in an exception.
"""

from __future__ import annotations

import ast
import copy
import inspect
import math
import random
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from mobilenet_edu.exercises._as_if import as_if
from mobilenet_edu.exercises._mending import Slip, changed_solution, mended_in_one_place, watched
from mobilenet_edu.exercises._noticing import (
    ORDINALS,
    TELLS_ENOUGH,
    Try,
    mended,
    never_ends,
    noticed,
    returns_nothing,
    unread,
)
from mobilenet_edu.exercises._plain import plain, remark
from mobilenet_edu.exercises._relating import quantities, related
from mobilenet_edu.exercises._running import CappedOutput, OutOfTime, describe, has_hole, within
from mobilenet_edu.exercises._values import RUNNING, change, difference, is_network, kind_of, same, show, wrong_type
from mobilenet_edu.exercises.networks import hidden_layers, layers_of, other_layers, why_it_fails

LEVELS = {1: "worked example", 2: "fill the gap", 3: "from a blank cell", 4: "transfer"}

# What many believe at first; each meets a `Mistake` that names it, or a prediction in a chapter.
MISCONCEPTIONS = (
    "1 MAC = 1 FLOP",
    "FLOPs and FLOPS",
    "cost from the input's size although the stride is 2",
    "parameters are proportional to compute",
    "8–9× is universal",
    "depthwise means separable",
    "depthwise dominates the cost",
    "any kernel can be factorised",
    "cost falls with exactly α²",
    "the bias before batch norm matters",
    "batch size changes the model's MACs",
    "one timing is a measurement",
    "nn.Conv2d flips its kernel",
    "fewer MACs, less memory",
)

RANDOM_CASES = 20

Case = tuple[Any, ...]
Outcome = Literal["not answered", "correct", "wrong", "error", "timed out"]


@dataclass(frozen=True)
class Mistake:
    """A typical wrong answer: a function that makes the mistake, and the sentence that explains it."""

    name: str
    sentence: str
    wrong: Callable[..., Any]
    misconception: str | None = None  # one of MISCONCEPTIONS


@dataclass(frozen=True)
class Essay:
    """A derivation or a short essay, which no code can check; ``good_answer`` says what to look for."""

    title: str
    goal: int
    minutes: int
    task: str
    good_answer: str


@dataclass(frozen=True)
class Verdict:
    """What `Exercise.verdict` found: the outcome, the text for the learner, and the mistake's name if it is known."""

    outcome: Outcome
    text: str
    mistake: str | None = None


NOT_ANSWERED = Verdict("not answered", "Not answered yet. (If you have answered: does your function reach a `return`?)")
STILL_A_GAP = Verdict("not answered", "Not answered yet: your function still has a gap, `...`.")


@dataclass
class _Trial:
    """One call of an answer: its arguments, what the reference returns (and how that is seen), what the answer gave."""

    case: Case
    right: Any
    expected: Any
    got: Any = None
    remark: str = ""
    complaint: str | None = None
    is_of_another_type: bool = False
    changed: str = ""
    network: Any = None  # the answer, if it is one


def _has_another_type(expected: Any, got: Any) -> bool:
    """Whether a part of a pair or of a list, or a part of that part, is not of the kind that the exercise asks for."""
    if type(expected) not in (tuple, list) or type(got) is not type(expected):
        return False
    pairs = list(zip(expected, got, strict=False))
    return any((wrong_type(a, b) and type(b) is not float) or _has_another_type(a, b) for a, b in pairs)


@dataclass(frozen=True, repr=False, kw_only=True)
class Exercise:
    """One question, its hints, its solution and its typical mistakes. Made by the decorator `exercise`.

    Attributes:
        reference: the solution. Its name is the exercise's; its source is shown, so it must stand alone.
        title, task, hints: Markdown; the hints go from the idea over the formula to the first line.
        goal: which of the chapter's goals it tests, from 1.
        level: 1 worked, 2 gap, 3 blank, 4 transfer.
        minutes: how long it takes.
        imports: lines that the solution needs above it; the chapter must contain them too.
        cases: hand-picked arguments, or a function that makes them, where they need a library.
        random_case: makes more of them from a seeded generator.
        covers: named conditions on the arguments, each of which some random case must meet.
        alternative: a correct answer by another algorithm, for the tests.
        mistakes: typical wrong answers.
        reasoning: Markdown, shown with the solution.
        stub: what the learner starts from; by default the solution (level 1) or its head with ``...`` for a body.
        unit: of the answer, such as MACs.
        observe: turns what an answer returned into what is compared; `mobilenet_edu.exercises.networks` has one.
        judge: where several answers are right: what is wrong with this one, or None. Called with it and the arguments.
        seconds: of work for the first call, which may have to load a library, and again for all others together.
    """

    reference: Callable[..., Any]
    title: str
    goal: int
    level: int
    minutes: int
    task: str
    hints: tuple[str, str, str]
    cases: tuple[Case, ...] | Callable[[], tuple[Case, ...]]
    random_case: Callable[[random.Random], Case]
    covers: Mapping[str, Callable[..., bool]]
    alternative: Callable[..., Any]
    mistakes: tuple[Mistake, ...]
    reasoning: str
    imports: str = ""
    stub: str = ""
    unit: str = ""
    observe: Callable[..., Any] = lambda result, *case: result
    judge: Callable[..., str | None] | None = None
    seconds: float = 5.0

    def check(self, answer: Callable[..., Any]) -> None:
        """Print whether ``answer`` is right, and if not, what went wrong. Never raises.

        The time limit needs an alarm, in the main thread: Linux, macOS and Colab have it. On Windows an endless loop
        ends with Kernel → Interrupt.
        """
        print(self.verdict(answer).text)

    def solution(self) -> None:
        """Print the worked answer."""
        print(f"{self.solution_code}\n\n{self.reasoning}")

    def verdict(self, answer: Callable[..., Any]) -> Verdict:
        """What `check` prints, as data."""
        if answer is ...:
            return NOT_ANSWERED
        if not callable(answer):
            return Verdict("error", f"Error: check the function itself, `check({self.name})`, not {kind_of(answer)}.")
        trials = list(self._trials())
        tried: list[_Trial] = []
        printed = CappedOutput()

        def run(restart: Callable[[], None]) -> None:
            for trial in trials:
                tried.append(trial)
                self._try(answer, trial)
                if len(tried) == 1:
                    restart()

        failure = within(self.seconds, run, printed)
        if failure:
            verdict = self._failed(answer, failure, trials, tried)
        else:
            verdict = self._compared(answer, trials, bool(printed.text))
        return Verdict(verdict.outcome, printed.report() + verdict.text, verdict.mistake)

    def _trials(self) -> Iterator[_Trial]:
        for case in self.all_cases():
            right = self.reference(*copy.deepcopy(case))
            yield _Trial(case, right, expected=self.observe(right, *copy.deepcopy(case)))

    def _try(self, answer: Callable[..., Any], trial: _Trial) -> None:
        arguments = copy.deepcopy(trial.case)
        got = answer(*arguments)
        if is_network(trial.right):  # it may take over the networks that it is made of
            trial.network = got if is_network(got) else None
        else:
            names = inspect.signature(self.reference).parameters
            changes = zip(names, map(change, trial.case, arguments), strict=False)
            trial.changed = next((f"{what} of `{name}`" for name, what in changes if what), "")
        trial.got = plain(trial.right, got)
        trial.complaint = wrong_type(trial.right, trial.got)
        if trial.complaint:
            rounded = type(trial.got) is float and type(trial.right) is int
            trial.is_of_another_type = trial.got is not None and not rounded
            return
        trial.remark = remark(trial.right, got)
        trial.got = self.observe(trial.got, *copy.deepcopy(trial.case))
        if self.judge is not None:
            trial.complaint = self.judge(trial.got, *copy.deepcopy(trial.case))
        elif not same(trial.expected, trial.got):
            trial.complaint = difference(trial.expected, trial.got, self.unit)
            cannot_be_run = type(trial.got) is dict and list(trial.got) == [RUNNING]
            trial.is_of_another_type = cannot_be_run or _has_another_type(trial.expected, trial.got)

    def _failed(
        self, answer: Callable[..., Any], failure: BaseException, trials: list[_Trial], tried: list[_Trial]
    ) -> Verdict:
        call, which = self._call(tried[-1].case), f"call {len(tried)} of {len(trials)}"
        if isinstance(failure, OutOfTime):
            slip = never_ends(answer)
            said = slip.sentence if slip else "Does a loop never end, or run far too often?"
            text = _filled(f"Timed out after {failure}, in {which}. {said}")
            return Verdict("timed out", f"{text}\n{call}", slip.name if slip else None)
        if has_hole(answer):
            return STILL_A_GAP
        said = describe(failure, answer)
        for mistake in self.mistakes:
            if self._fails_alike(mistake, tried, failure):
                return Verdict("error", f"{_filled(f'Not yet. {mistake.sentence}')}\n  {said}\n{call}", mistake.name)
        slip = self._mended_failure(answer, trials, tried[-1])
        if slip:
            return Verdict("error", f"{_filled(f'Not yet. {slip.sentence}')}\n  {said}\n{call}", slip.name)
        name = "what the error says" if "\n" in said.partition("raised by")[2] else None  # it says what it means
        return Verdict("error", f"Error: {said}\n{call}", name)

    def _mended_failure(self, answer: Callable[..., Any], trials: list[_Trial], failing: _Trial) -> Slip | None:
        found: list[Slip | None] = [None]
        within(self.seconds, lambda restart: found.append(self._mended(answer, trials, failing)), CappedOutput())
        return found[-1]

    def _fails_alike(self, mistake: Mistake, tried: list[_Trial], failure: BaseException) -> bool:
        """Whether a mistake ends with the same exception in the same call, and gives the same before it."""
        for trial in tried:
            try:
                got = self._observed(mistake.wrong, trial)
            except Exception as error:
                return trial is tried[-1] and type(error) is type(failure)
            if trial is not tried[-1] and not same(got, trial.got):
                return False
        return False

    def _compared(self, answer: Callable[..., Any], trials: list[_Trial], printed: bool) -> Verdict:
        failing = next((trial for trial in trials if trial.complaint), None)
        if all(trial.got is None or trial.got is ... for trial in trials):
            slip = None if has_hole(answer) else returns_nothing(answer, printed)
            return self._told(slip, failing) if slip else STILL_A_GAP if has_hole(answer) else NOT_ANSWERED
        if failing is not None and has_hole(answer):
            return STILL_A_GAP
        if failing is not None:
            for mistake in self.mistakes:
                if self._agrees(mistake, trials):
                    return self._told(Slip(mistake.name, mistake.sentence), failing)
        changed = next((trial for trial in trials if trial.changed), None)
        if changed is not None:
            which = changed.changed.removeprefix("it of ")
            text = f"Not yet. Your function changes its arguments: {which}. Work on a copy, or undo it."
            return Verdict("wrong", f"{_filled(text)}\n{self._call(changed.case)}", "changed arguments")
        if failing is None:
            said = next((trial.remark for trial in trials if trial.remark), "")
            return Verdict("correct", _filled(f"Correct, in all {len(trials)} cases tried.{said}"))
        return self._told(self._slip(answer, trials, failing), failing)

    def _slip(self, answer: Callable[..., Any], trials: list[_Trial], failing: _Trial) -> Slip | None:
        """What is not in the catalogue, but can be noticed about any answer."""
        names = list(inspect.signature(self.reference).parameters)
        tries = [Try(each.case, each.expected, each.got, right=not each.complaint) for each in trials]
        found: list[Slip | None] = []

        def look(restart: Callable[[], None]) -> None:
            found.append(self._another_each_time(answer, failing))
            if found[-1]:
                return
            restart()
            used = [name for name in names if name not in unread(self.reference, names)]
            found.append(noticed(answer, used, tries, self.covers, compare=self.judge is None))
            layers = None
            if is_network(failing.right) and failing.network is not None:
                found.extend([why_it_fails(failing.network, failing.got), hidden_layers(failing.network)])
                layers, count = other_layers(layers_of(failing.right), layers_of(failing.network))
            if layers and count == 1:
                found.append(layers)
            if any(each and each.name in TELLS_ENOUGH for each in found):
                return
            restart()
            found.append(self._mended(answer, trials, failing) or layers)
            # Of two names for networks either may do; and a change may make a network that takes minutes.
            takes_networks = any(map(is_network, (failing.right, *failing.case)))
            if not any(each and each.name for each in found) and self.judge is None and not takes_networks:
                for seek in (
                    lambda: self._as_of_other_arguments(trials, failing),
                    lambda: self._as_a_relation(trials),
                    lambda: self._as_a_changed_solution(trials, failing),
                    lambda: self._mended(answer, trials, failing, two=True),
                    lambda: self._as_a_changed_solution(trials, failing, two=True),
                ):
                    restart()
                    found.append(seek())
                    if found[-1]:
                        return

        within(self.seconds, look, CappedOutput())
        return next((each for each in reversed(found) if each), None)

    def _another_each_time(self, answer: Callable[..., Any], failing: _Trial) -> Slip | None:
        """Whether an answer differs from itself when it is called again with the same arguments."""
        if failing.network is not None or failing.is_of_another_type:
            return None
        try:
            first, second = (self._observed(answer, failing) for _ in range(2))
        except Exception:
            return None
        if same(first, second) or not same(first, first):  # NaN is not even the same as itself
            return None
        return Slip(
            "another answer each time",
            "Called twice with the same arguments, your function gives two different answers. Something in it is "
            "random, such as the weights of a new layer, or it keeps something from one call to the next.",
        )

    def _mended(
        self, answer: Callable[..., Any], trials: list[_Trial], failing: _Trial, two: bool = False
    ) -> Slip | None:
        """One change, or ``two``, with which the answer would be right; the case that failed is tried first."""
        names = list(inspect.signature(self.reference).parameters)
        ordered = [failing, *trials]  # all of them in their order, since a judge may compare one with the next
        if two and not _vary([trial.right for trial in trials]):
            return None

        def right(other: Callable[..., Any]) -> bool:
            return all(self._passes(other, trial) for trial in ordered)

        slip = None if two else mended(answer, names, right)
        numbers, words = _numbers(names, trials), _words(trials)
        patience = self.seconds / Exercise.seconds
        return slip or mended_in_one_place(answer, numbers, words, right, self.reference, two, patience)

    def _as_a_changed_solution(self, trials: list[_Trial], failing: _Trial, two: bool = False) -> Slip | None:
        """One change, or ``two``, with which the solution gives what the answer gave, or a part of it."""
        names = list(inspect.signature(self.reference).parameters)
        ordered = [failing, *(trial for trial in trials if trial is not failing)]

        for what, part in _wrong_parts(trials):
            given = [part(trial.got) for trial in trials]
            if not _vary(given, 10 if two else 4 if what.startswith("The") else 1):
                continue

            def alike(other: Callable[..., Any], part: Callable[[Any], Any] = part) -> bool:
                return all(same(part(self._observed(other, trial)), part(trial.got)) for trial in ordered)

            numbers, words = _numbers(names, trials), _words(trials)
            slip = changed_solution(self.reference, numbers, words, alike, two, self.seconds / Exercise.seconds)
            if slip and what.startswith("The"):
                return slip._replace(sentence=f"{what} that {slip.sentence.partition(' those ')[2]}")
            if slip:
                return slip
        return None

    def _as_of_other_arguments(self, trials: list[_Trial], failing: _Trial) -> Slip | None:
        """Other arguments for which all that the answer gave, or a part of it, is right."""
        names = list(inspect.signature(self.reference).parameters)
        ordered = [failing, *(trial for trial in trials if trial is not failing)]
        known: dict[str, str] = {}
        solution = watched(self.reference, self.seconds / Exercise.seconds)
        for what, part in _wrong_parts(trials):

            def alike(changed: Callable[[Case], Case], part: Callable[[Any], Any] = part) -> bool:
                return all(
                    same(
                        part(self.observe(solution(*copy.deepcopy(changed(trial.case))), *copy.deepcopy(trial.case))),
                        part(trial.got),
                    )
                    for trial in ordered
                )

            if _vary([part(trial.got) for trial in trials], 6):  # of few names each may be right by chance
                known[what] = as_if(names, [trial.case for trial in trials], alike)
        said = [f"{what} the right one for {other}" for what, other in known.items() if other]
        return Slip("as of other arguments", _sentences(trials, said)) if said else None

    def _as_a_relation(self, trials: list[_Trial]) -> Slip | None:
        """How what the answer gave, or a part of it, is related to what is right, in all cases or in the wrong ones."""
        names = list(inspect.signature(self.reference).parameters)
        wrong = [trial for trial in trials if trial.complaint]
        for some in (trials, wrong) if len(wrong) >= 4 else (trials,):
            known = quantities(names, [trial.case for trial in some])
            said = []
            for what, part in _wrong_parts(trials):
                is_ = related([part(trial.expected) for trial in some], [part(trial.got) for trial in some], known)
                said += [f"{what} {is_}"] if is_ else []
            if said:
                return Slip("a relation", _sentences(trials, said, where="" if some is trials else "where it is wrong"))
        return None

    def _passes(self, answer: Callable[..., Any], known: _Trial) -> bool:
        """Whether an answer is right in one case; False if it fails."""
        trial = _Trial(known.case, known.right, known.expected)
        try:
            self._try(answer, trial)
        except Exception:
            return False
        return not trial.complaint and not trial.changed

    def _told(self, slip: Slip | None, failing: _Trial) -> Verdict:
        complaint = [_filled(line, indent="  ") for line in failing.complaint.splitlines()]
        said = _filled(f"Not yet. {slip.sentence}" if slip else "Not yet.")
        name = slip.name if slip else None
        if name is None and (self.judge is not None or failing.is_of_another_type):
            name = "what the complaint says"
        return Verdict("wrong", "\n".join([said, self._call(failing.case), *complaint]), name)

    def _agrees(self, mistake: Mistake, trials: list[_Trial]) -> bool:
        try:
            return all(same(self._observed(mistake.wrong, trial), trial.got) for trial in trials)
        except Exception:  # a mistake that ends in an exception is looked up where answers do
            return False

    def _observed(self, function: Callable[..., Any], trial: _Trial) -> Any:
        got = plain(trial.right, function(*copy.deepcopy(trial.case)))
        return got if wrong_type(trial.right, got) else self.observe(got, *copy.deepcopy(trial.case))

    def _call(self, case: Case) -> str:
        names = inspect.signature(self.reference).parameters
        arguments = (f"{name}={show(value)}" for name, value in zip(names, case, strict=False))
        # Lines break between arguments, and inside of one only if it fills more than a line.
        unbroken = ", ".join(each.replace(" ", "\0") if len(each) <= 70 else each for each in arguments)
        return _filled(f"{self.name}({unbroken})", indent="  ").replace("\0", " ")

    def all_cases(self) -> list[Case]:
        """The hand-picked cases, then random ones: the same in every run."""
        rng = random.Random(self.name)
        return [*self.hand_picked, *(self.random_case(rng) for _ in range(RANDOM_CASES))]

    @property
    def hand_picked(self) -> tuple[Case, ...]:
        """The hand-picked cases."""
        return self.cases() if callable(self.cases) else self.cases

    @property
    def name(self) -> str:
        """The function that the learner writes."""
        return self.reference.__name__

    @property
    def chapter(self) -> str:
        """The chapter's module, such as ``ch02``."""
        return self.reference.__module__.rpartition(".")[2]

    @property
    def needs_torch(self) -> bool:
        """Whether the exercise uses torch; the others work in a browser too."""
        parts = [self.reference, self.random_case, self.observe, self.cases if callable(self.cases) else None]
        return any(_names(getattr(part, "__code__", None), part) & {"torch", "nn", "F"} for part in parts)

    @property
    def solution_code(self) -> str:
        """The reference as it is written, below the imports that it needs."""
        imports = [*self.imports.strip().splitlines(), "", ""] if self.imports else []
        return "\n".join(imports + _source(self.reference)[0])

    @property
    def stub_code(self) -> str:
        """What the learner starts from, in a notebook that has done the imports."""
        if self.stub:
            return self.stub.strip()
        lines, function = _source(self.reference)
        if self.level == 1:
            return "\n".join(lines)
        head = function.body[0].end_lineno - function.lineno + 1  # the signature and the docstring
        return "\n".join([*lines[:head], "    ..."])

    def __repr__(self) -> str:
        return f"<exercise {self.chapter}.{self.name}: {self.title}>"


def exercise(**fields: Any) -> Callable[[Callable[..., Any]], Exercise]:
    """Turn a function into the `Exercise` that it solves; ``fields`` are the attributes of `Exercise`."""
    return lambda reference: Exercise(reference=reference, **fields)


def _names(code: Any, function: Any, seen: frozenset[str] = frozenset()) -> set[str]:
    """The global names that a function uses, and those that the functions behind these names use."""
    if code is None:
        return set()
    names = set(code.co_names)
    for const in code.co_consts:
        names |= _names(const, function, seen) if inspect.iscode(const) else set()
    for name in names - seen:
        other = function.__globals__.get(name)
        if inspect.isfunction(other) and other.__module__ == function.__module__:
            names |= _names(other.__code__, other, seen | names)
    return names


def _numbers(names: list[str], trials: list[_Trial]) -> list[str]:
    """The arguments that may be a factor or a term: in no case a list or a text."""
    columns = zip(*(each.case for each in trials), strict=True)
    several = (list, tuple, dict, str)
    return [
        name for name, values in zip(names, columns, strict=True) if not any(isinstance(v, several) for v in values)
    ]


def _words(trials: list[_Trial]) -> list[str]:
    """The texts that right answers are or hold, if they are few."""
    parts = [part for each in trials for part in (each.right if type(each.right) in (tuple, list) else [each.right])]
    words = list(dict.fromkeys(part for part in parts if type(part) is str))
    return words if len(words) <= 6 else []


def _vary(values: list[Any], at_least: int = 10) -> bool:
    """Whether there are so many different ones that nothing fits them all by chance."""
    return len(set(map(show, values))) >= at_least


def _wrong_parts(trials: list[_Trial]) -> list[tuple[str, Callable[[Any], Any]]]:
    """What of the answers is to be explained, in words, and how to get it: all of it, then each part that is wrong."""
    pairs = [(trial.expected, trial.got) for trial in trials]
    parts: list[tuple[str, Callable[[Any], Any]]] = [("Your answer is", lambda value: value)]
    kind, count = type(pairs[0][0]), len(pairs[0][0]) if type(pairs[0][0]) in (tuple, dict) else 0
    if not 2 <= count <= 4 or any(type(each) is not kind or len(each) != count for pair in pairs for each in pair):
        return parts
    keys = (
        dict(zip(ORDINALS, range(count), strict=False)) if kind is tuple else {f"`{key}`": key for key in pairs[0][0]}
    )
    for said, key in keys.items():
        if kind is dict and any(key not in each for pair in pairs for each in pair):
            return parts[:1]
        if not all(same(expected[key], got[key]) for expected, got in pairs):
            parts.append((f"The {said} part of your answer is", lambda value, key=key: value[key]))
    return parts


def _sentences(trials: list[_Trial], said: list[str], where: str = "") -> str:
    """One sentence: of all, or else of each part about which there is one."""
    right = sum(not trial.complaint for trial in trials)
    count = f"It is right in {right} of {len(trials)} cases. " if where else ""
    end = ", in every case" if not where else ""
    said = said[:1] if said[0].startswith("Your") else said
    return count + " ".join(
        f"{where[:1].upper() + where[1:] + ', ' if where else ''}{each[0].lower() + each[1:] if where else each}{end}."
        for each in said
    )


def _filled(text: str, indent: str = "") -> str:
    hang = 3 * indent
    return textwrap.fill(text, 79, initial_indent=indent, subsequent_indent=hang, break_long_words=False)


def _source(function: Callable[..., Any]) -> tuple[list[str], ast.FunctionDef]:
    """The lines of a function without its decorator, and its syntax tree."""
    source = textwrap.dedent(inspect.getsource(function))
    node = ast.parse(source).body[0]
    return source.splitlines()[node.lineno - 1 : node.end_lineno], node


def reveal(guess: Any, truth: Any, unit: str = "") -> None:
    """Print a guess beside the truth, with the factor between them. ``...`` means not guessed yet. Never raises."""
    times = truth == 1 if _is_number(truth) and unit.startswith("times as ") else False
    answer = unit.removeprefix("times ") if times else f"{_pretty(truth)} {unit}".rstrip()
    if guess is ... or guess is None:
        print(f"No guess yet. It is {answer}.")
        return
    number = _as_number(guess, truth)
    if number is not None:
        guessed = _pretty(guess if type(guess) is str else number)
        alike = _pretty(number) == _pretty(truth)  # nobody guesses more digits than are shown
        close = "Exactly right." if alike else _how_close(Fraction(number), Fraction(truth))
        print(f"You guessed {guessed}; it is {answer}. {close}")
    elif same(truth, guess) or (type(guess) is type(truth) is str and _bare(guess) == _bare(truth)):
        print(f"You guessed {answer}, and so it is.")
    else:
        print(f"You guessed {_pretty(guess)}; it is {answer}.")


def _bare(text: str) -> str:
    return text.strip().rstrip(".!").casefold()


def _as_number(guess: Any, truth: Any) -> Any:
    """The number that a guess is, or that its text says, such as "1/4"; None if it is none, or the truth is none."""
    if not _is_number(truth):
        return None
    if not _is_number(guess):
        whole = plain(0, guess)
        guess = whole if _is_number(whole) else plain(0.0, guess)
    if type(guess) is str and len(guess) <= 30:
        text = guess.strip().replace(",", "")
        if re.fullmatch(r"-?\d+(\.\d+|/0*[1-9]\d*)?", text):
            return Fraction(text)
    return guess if _is_number(guess) else None


def _how_close(guess: Fraction, truth: Fraction) -> str:
    if guess == truth:
        return "Exactly right."
    if not truth:
        return "You expected some; there are none."
    if not guess:
        return "You expected none."
    if guess * truth < 0:
        return "Your guess has the other sign."
    factor = max(guess / truth, truth / guess)
    if factor < Fraction(11, 10):
        return "Well guessed: less than a tenth apart."
    times = f"{float(factor):.3g}" if factor < 1000 else "more than a thousand"
    return f"Your guess is {times} times too {'large' if abs(guess) > abs(truth) else 'small'}."


def _is_number(value: Any) -> bool:
    return type(value) in (int, Fraction) or (type(value) is float and math.isfinite(value))


def _pretty(value: Any) -> str:
    if type(value) is int and value.bit_length() <= 100:
        return f"{value:,}"
    if type(value) is float and abs(value) < 1e15:
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return str(value) if type(value) is Fraction or (type(value) is str and len(value) <= 100) else show(value)
