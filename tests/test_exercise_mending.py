"""A wrong answer that one change would mend hears which: any answer, to any exercise, and never a change that fails."""

import inspect
import linecache
import time

import pytest

from mobilenet_edu import exercises
from mobilenet_edu.exercises import exercises_of
from mobilenet_edu.exercises._mending import mended_in_one_place

BY_NAME = {each.name: each for chapter in exercises.chapters().values() for each in exercises_of(chapter)}


def answer(name, body):
    """A learner's function: the head of the exercise, and this body, with a source that can be read as a cell's can."""
    head = f"def {name}({', '.join(inspect.signature(BY_NAME[name].reference).parameters)}):\n"
    code = f"{BY_NAME[name].imports}\n{head}" + "".join(f"    {line}\n" for line in body.splitlines())
    file = f"<answer {abs(hash(code))}>"
    linecache.cache[file] = (len(code), None, code.splitlines(True), file)
    namespace = {"__name__": "a_notebook"}
    exec(compile(code, file, "exec"), namespace)
    return namespace[name]


# What a class writes: the exercise, the answer, the kind of slip, and what is quoted of it.
SLIPS = [
    ("output_side", "return (size + 2 * padding - kernel) // stride + 2", "off by one", "// stride + 1`"),
    ("thinned_layer_macs", "n = int(out_channels * width_multiplier)\nm = int(in_channels * width_multiplier)\n"
     "return m * map_size * (9 + n)", "not squared", "map_size ** 2"),
    ("mean_and_spread", "s = [100 * c // total for c in correct]\nm = sum(s) / len(s)\n"
     "return m, (sum((x - m) ** 2 for x in s) / (len(s) - 1)) ** 0.5", "integer division", "100 * c / total"),
    ("largest_batch", "best = ('', -1)\nfor n, m, p, k in networks:\n    b = max(0, (memory - 12 * p) // (4 * k))\n"
     "    if b >= best[1]:\n        best = (n, b)\nreturn best", "equality", "b > best[1]"),
    ("best_offer", "t = sum(milliseconds.values())\n"
     "r = {k: t / (t - milliseconds[k] + milliseconds[k] / f) for k, f in offers.items()}\n"
     "b = min(r, key=r.get)\nreturn b, r[b]", "another function", "max(r, key=r.get)"),
    ("least_seconds", "a, m = macs / peak, bytes_moved / bandwidth\n"
     "return max(a, m), 'compute' if a >= m else 'memory'", "another word", "'arithmetic'"),
    ("first_misfit", "for n in ours:\n    if theirs[n] != ours[n]:\n        return n", "a step is missing",
     "theirs.get(n)"),
    ("last_map_moves", "moved, step = 0, 1\nfor s in strides:\n    size = -(-size // s)\n"
     "    if s == 2 and size % 2 == 0:\n        moved += step\n    step *= s\nreturn moved",
     "two lines in the wrong order", ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "kind", "quoted"), SLIPS, ids=[each[0] for each in SLIPS])
def test_a_slip_is_told_with_the_place_where_it_stands(name, body, kind, quoted):
    verdict = BY_NAME[name].verdict(answer(name, body))
    text = " ".join(verdict.text.split())
    assert verdict.outcome in ("wrong", "error")
    assert verdict.mistake == kind, text
    assert quoted in text
    assert "your function is right in every case" in text


def test_what_is_quoted_is_the_code_of_the_answer_and_nothing_else():
    body = "return sum(comb(expansion * narrow, a) for a in range(narrow, expansion * narrow + 1)) / 2 ** narrow"
    verdict = BY_NAME["chance_to_survive"].verdict(answer("chance_to_survive", f"return Fraction({body[7:]})"))
    body = "n = 0\nfor tap in range(kernel_size):\n    n += any(0 <= i * stride + tap - kernel_size // 2 < map_size "
    body += "for i in range((map_size - 1) // stride + 2))\nreturn n ** 2"
    text = verdict.text + BY_NAME["taps_used"].verdict(answer("taps_used", body)).text
    assert "every case" in text
    assert "_look" not in text
    assert "_small" not in text


def test_a_change_that_does_not_help_is_never_told():
    wrong = answer("output_side", "return size - kernel")
    assert mended_in_one_place(wrong, ["size", "kernel"], [], lambda changed: False) is None


def test_a_change_that_never_ends_is_given_up():
    begun = time.thread_time()
    waits = answer("largest_resolution", "n = 0\nwhile n < 1:\n    n += 1\nreturn n")
    assert mended_in_one_place(waits, ["max_macs"], [], lambda changed: changed(1, 1) == -7.5) is None
    assert time.thread_time() - begun < 4


def test_the_answers_of_a_solution_with_one_change_are_recognised_in_any_code():
    body = (
        "rows = [(name, max(0, int(((memory - 12 * p) - (memory - 12 * p) % k) / k))) for name, _, p, k in networks]\n"
    )
    verdict = BY_NAME["largest_batch"].verdict(
        answer("largest_batch", body + "return max(rows, key=lambda row: row[1])")
    )
    assert (verdict.mistake or "").startswith("as ")
    assert "Your answers are those of the solution with" in " ".join(verdict.text.split())


def test_an_argument_that_the_solution_leaves_aside_is_no_reproach():
    verdict = BY_NAME["best_offer"].verdict(answer("best_offer", "return 'depthwise', 1.5"))
    assert "never looks at `milliseconds` and `offers`." in " ".join(verdict.text.split())


# Wrong in cases that nobody tried before, each written without a look at the cases.
MISSED = {
    "erased_channels": "q = (weight / (weight.abs().max() / 127)).round()\n"
    "return int((q.flatten(1).sum(1) == 0).sum())",
    "first_misfit": "for (n, s), (m, t) in zip(ours.items(), theirs.items()):\n"
    "    if n != m or s != t:\n        return n",
    "timm_name": "import math\nw = widths[block]\n"
    "return f'blocks.{int(math.log2(w // widths[0]))}.{block - widths.index(w)}'",
    "rounded_width": "x = int(channels * width_multiplier)\nw = max(8, (x + 4) // 8 * 8)\n"
    "return w + 8 if w < 0.9 * x else w",
    "chance_to_survive": "w = expansion * narrow\n"
    "return Fraction(sum(comb(w, a) for a in range(narrow, w + 1)) / 2**w)",
    "frozen": "class Frozen(nn.Sequential):\n    def train(self, mode=True):\n        return self\n"
    "return Frozen(body.requires_grad_(False), head).eval()",
}  # fmt: skip


@pytest.mark.parametrize("name", MISSED)
def test_what_was_once_called_correct_is_not(name):
    assert BY_NAME[name].verdict(answer(name, MISSED[name])).outcome == "wrong"


# What the answers alone show: the exercise, what the answer makes of the right one, and words of the sentence.
SEEN = [
    ("largest_picture", lambda right: min(right, 224), "right up to 224, and never larger"),
    ("receptive_field", lambda right: right**2, "the square of the right one"),
    ("mean_and_spread", lambda right: tuple(round(each, 1) for each in right), "rounded to one digit"),
    ("two_parts", lambda right: tuple(2 * each for each in right), "2 times too large"),
    ("timm_name", lambda right: right.removeprefix("blocks."), "lacks 'blocks.' at its beginning"),
    ("least_seconds", lambda right: (right[0], right[1].upper()), "small and capital letters"),
    ("what_was_counted", str.upper, "small and capital letters"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "words"), SEEN, ids=[each[0] for each in SEEN])
def test_what_the_answers_show_is_said_whatever_the_code(name, change, words):
    exercise = BY_NAME[name]
    verdict = exercise.verdict(lambda *case: change(exercise.reference(*case)))
    assert verdict.outcome == "wrong"
    assert verdict.mistake
    assert words in " ".join(verdict.text.split()) or verdict.mistake in [each.name for each in exercise.mistakes]
