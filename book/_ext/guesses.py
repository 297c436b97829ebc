"""A field where a notebook says ``my_guess = ...``, and the answer folded away until the reader has guessed.

The notebook prints the truth as ``No guess yet. It is 36 multiplications.``; book.js says what `reveal` would say of
the guess. Without JavaScript the folds open by hand, like the book's other answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bs4 import BeautifulSoup, NavigableString, Tag

NOT_GUESSED = re.compile(r"No guess yet\. It is (.+)\.$", re.MULTILINE)
NUMBER = re.compile(r"(-?[\d,]*\.?\d+(?:e[+-]\d+)?(?:/\d+)?)(?: (.+))?")
GUESS = re.compile(r"^(\w+) = \.\.\.(?:[ \t]+# (.+))?$", re.MULTILINE)
REVEAL = re.compile(r"\breveal\((\w+),")
OUTPUT, REST = "Show the output", "Show the answer, and what follows from it"


@dataclass
class Guess:
    """A name to be guessed, the cell that asks for it, and what the page calls it."""

    name: str
    words: str
    cell: Tag
    key: str
    truth: str = ""
    unit: str = ""


def truth_and_unit(answer: str) -> tuple[str, str]:
    """``29,202,432 MACs`` as ("29,202,432", "MACs"); words are a truth without a unit, save for "as many"."""
    if answer.startswith("as "):
        return "1", f"times {answer}"
    found = NUMBER.fullmatch(answer)
    return (found[1], found[2] or "") if found else (answer, "")


def offer_guesses(page: BeautifulSoup, stem: str) -> None:
    """Turn each guess of a page into a field, and fold away whatever answers it."""
    asked: dict[str, Guess] = {}
    revealed: list[tuple[Tag, list[Guess]]] = []
    keys: list[str] = []
    for cell in page.select("article div.cell:not(.tag_exercise)"):
        source = "\n".join(block.get_text() for block in cell.select("div.cell_input pre"))
        answers = [guess for guess in map(asked.get, REVEAL.findall(source)) if guess]
        texts = _untold(cell)
        if len(texts) != len(answers):
            raise ValueError(f"{stem}: {len(texts)} lines 'No guess yet' for {len(answers)} guesses in\n{source}")
        for guess, text in zip(answers, texts, strict=True):
            _tell(page, guess, text)
        if answers:
            revealed.append((cell, answers))
        for name, words in GUESS.findall(source):
            place = f"{stem}/{cell.find_parent('section')['id']}/{name}"
            again = sum(key.startswith(place) for key in keys)
            keys.append(f"{place}-{again + 1}" if again else place)
            asked[name] = Guess(name, words.strip() or _spoken(name), cell, keys[-1])
    for cell, answers in revealed:
        _fold(page, cell, answers)
    for question in dict.fromkeys(id(guess.cell) for _, answers in revealed for guess in answers):
        _ask(page, [guess for _, answers in revealed for guess in answers if id(guess.cell) == question])


def _spoken(name: str) -> str:
    """``guess_kernel_1`` as "kernel 1"."""
    return re.sub(r"my|guess|_", " ", name).strip() or "your guess"


def _untold(cell: Tag) -> list[NavigableString]:
    """The lines of a cell's output that wait for a guess, each as a text of its own."""
    lines = []
    for text in (
        cell.select_one("div.cell_output").find_all(string=NOT_GUESSED) if cell.select("div.cell_output") else ()
    ):
        parts = []
        start = 0
        for found in NOT_GUESSED.finditer(text):
            parts += [NavigableString(text[start : found.start()]), NavigableString(found[0])]
            lines.append(parts[-1])
            start = found.end()
        text.replace_with(*parts, NavigableString(text[start:]))
    return lines


def _tell(page: BeautifulSoup, guess: Guess, text: NavigableString) -> None:
    answer = NOT_GUESSED.fullmatch(text)[1]
    guess.truth, guess.unit = truth_and_unit(answer)
    told = page.new_tag("span", attrs={"class": "truth", "data-guess": guess.key})
    told.string = f"It is {answer}."
    text.replace_with(told)


def _fold(page: BeautifulSoup, cell: Tag, answers: list[Guess]) -> None:
    """Fold the outputs between the question and the answer, and all that follows up to the next heading."""
    keys = " ".join(guess.key for guess in answers)
    section = cell.find_parent("section")
    if all(guess.cell.find_parent("section") is section for guess in answers):
        for between in answers[0].cell.find_next_siblings():
            if between is cell:
                break
            if between.name == "details":
                between["data-answers"] = keys
            for output in between.select("div.cell_output"):
                output.wrap(_details(page, keys, OUTPUT))
    rest = _details(page, keys, REST)
    followers = []
    for follower in cell.find_next_siblings():
        if follower.name == "section":
            break
        followers.append(follower)
    if followers and followers[0].name == "details":
        followers[0]["data-answers"] = keys
    outputs = page.new_tag("div", attrs={"class": cell["class"]})
    for output in cell.select(":scope > div.cell_output"):
        outputs.append(output.extract())
    cell.insert_after(rest)
    for element in (outputs, *followers):
        rest.append(element.extract())


def _details(page: BeautifulSoup, keys: str, words: str) -> Tag:
    details = page.new_tag("details", attrs={"class": "withheld", "data-answers": keys})
    summary = page.new_tag("summary")
    summary.string = words
    details.append(summary)
    return details


def _ask(page: BeautifulSoup, guesses: list[Guess]) -> None:
    """The form in the cell's place; who has no JavaScript sees the cell."""
    cell = guesses[0].cell
    fields = []
    for guess in guesses:
        label = page.new_tag("label")
        label.append(f"{guess.words[0].upper()}{guess.words[1:]} ")
        label.append(
            page.new_tag(
                "input",
                attrs={
                    "name": guess.key,
                    "data-truth": guess.truth,
                    "data-unit": guess.unit,
                    "placeholder": "…",
                    "maxlength": "60",
                    "autocomplete": "off",
                },
            )
        )
        fields.append(label)
    form = page.new_tag("form", attrs={"class": "guess pst-js-only"})
    buttons = BeautifulSoup(
        '<div><button>Guess</button> <button type="button">Show me</button></div><p role="status"></p>', "html.parser"
    )
    form.extend([*fields, *buttons.contents])
    cell.wrap(page.new_tag("noscript"))
    cell.parent.insert_before(form)
