"""A wrong answer that one change would mend hears which: any answer, to any exercise, and never a change that fails."""

import ast
import inspect
import linecache
import time

import pytest

from mobilenet_edu import exercises
from mobilenet_edu.exercises import _mending, exercises_of
from mobilenet_edu.exercises._mending import mended_in_one_place


@pytest.fixture(autouse=True)
def enough_time(monkeypatch):
    """What is found must not depend on how busy the machine is."""
    monkeypatch.setattr(_mending, "SECONDS", 60.0)
    monkeypatch.setattr(_mending, "ONE", 6.0)


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
    ("output_side", "return size + 2 * padding - kernel // stride + 1", "parentheses",
     "`return (size + 2 * padding - kernel) // stride + 1`"),
    ("receptive_field", "field = 1\nfor kernel, stride in reversed(layers):\n    field = field * stride + kernel\n"
     "return field", "off by one", "(field - 1) * stride"),
    ("correlate_lists", "K, output, total = len(kernel), [], 0\nfor y in range((len(image) - K) // stride + 1):\n"
     "    row = []\n    for x in range((len(image[0]) - K) // stride + 1):\n        total = 0\n"
     "        for i in range(K):\n"
     "            for j in range(K):\n                total += image[y * stride + i][x * stride + j] * kernel[i][j]\n"
     "            row.append(total)\n    output.append(row)\nreturn output", "the indentation",
     "With `row.append(total)` behind, not in, `for i in range(K):`"),
    ("correlate_lists", "K = len(kernel)\noutput = []\ntotal = 0\nfor y in range((len(image) - K) // stride + 1):\n"
     "    row = []\n    for x in range((len(image[0]) - K) // stride + 1):\n        for i in range(K):\n"
     "            for j in range(K):\n                total += image[y * stride + i][x * stride + j] * kernel[i][j]\n"
     "        row.append(total)\n    output.append(row)\nreturn output", "not begun anew",
     "With `total = 0` at the start of each round of `for x in"),
    ("trace", "sides, side = [], resolution\nfor stride in [2, *(s for _, s in rows)]:\n"
     "    side = (side - 1) // stride + 1\nsides.append(side)\nreturn sides", "the indentation",
     "With `sides.append(side)` at the end of each round of `for stride in"),
    ("correlate_lists", "K = len(kernel)\ntaps = [(i, j) for i in range(K) for j in range(K)]\n"
     "rows = range((len(image) - K) // stride + 1)\ncolumns = range((len(image[0]) - K) // stride + 1)\n"
     "return [[sum(kernel[i][j] * image[y * stride + i][x + j * stride] for i, j in taps) for x in columns] "
     "for y in rows]", "a factor elsewhere", "x * stride + j"),
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


def test_a_step_that_stands_elsewhere_is_sought_where_it_lacks():
    tree = _mending.tree_of(answer("output_side", "return round(size) + size * stride"))
    changes = _mending._changes(tree.body[0], [], [])
    told = [(ast.unparse(change.part), ast.unparse(change.other)) for change in changes]
    assert ("size", "round(size)") in told


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


def test_a_change_that_never_ends_is_given_up(monkeypatch):
    monkeypatch.setattr(_mending, "SECONDS", 1.0)
    monkeypatch.setattr(_mending, "ONE", 0.1)
    begun = time.thread_time()
    waits = answer("largest_resolution", "n = 0\nwhile n < 1:\n    n += 1\nreturn n")
    assert mended_in_one_place(waits, ["max_macs"], [], lambda changed: changed(1, 1) == -7.5) is None
    assert time.thread_time() - begun < 20


def test_a_change_that_would_fill_the_memory_is_given_up():
    """Another name as the number of digits in a text: a million of them here, some billions in the exercise's cases."""
    wide, longest = answer("what_was_counted", 'digits = 1\nreturn f"{macs / unit:.{digits}f}"'), []

    def right(changed):
        longest.append(len(str(changed("4.5", 10, 10**6))))
        return False

    assert mended_in_one_place(wide, ["printed", "unit", "macs"], [], right) is None
    assert 0 < max(longest) < 100_000


def test_no_constant_is_the_square_of_one_that_is_no_whole_number():
    body = "x = channels * width_multiplier\nw = max(8, int(x + 4) // 8 * 8)\nreturn w + 8 if w < 0.96 * x else w"
    verdict = BY_NAME["rounded_width"].verdict(answer("rounded_width", body))
    assert verdict.outcome == "wrong"
    assert "0.9216" not in verdict.text


# One misunderstanding, at two places that are alike: the exercise, the answer, and what is quoted of it.
TWICE = [
    ("thinned_layer_macs", "m = int(in_channels / width_multiplier)\nn = int(out_channels / width_multiplier)\n"
     "return (9 * m + m * n) * map_size ** 2", "`m = int(in_channels / width_multiplier)`, and with `n = "
     "int(out_channels * width_multiplier)` in place of `n = int(out_channels / width_multiplier)`,"),
    ("conv2d_macs", "kh, kw = kernel_size\nh = (input_size[0] + 2 * padding - kh) / stride + 1\n"
     "w = (input_size[1] + 2 * padding - kw) / stride + 1\n"
     "return kh * kw * in_channels // groups * out_channels * w * h",
     ", and with `w = int((input_size[1] + 2 * padding - kw) / stride + 1)` in place of `w = "),
    ("network_saving", "before = after = 0\nfor m, n, k, s, st in layers:\n    p = ((s - 1) // st + 1) ** 2\n"
     "    before += k * m * n * p\n    after += min(k * m * n * p, (k * k * m + m * n) * p)\n"
     "return Fraction(before, after)", "With `k ** 2 * m * n * p` in place of `k * m * n * p` at 2 places,"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "quoted"), TWICE, ids=[each[0] for each in TWICE])
def test_a_slip_made_twice_is_told_with_both_places(name, body, quoted):
    text = " ".join(BY_NAME[name].verdict(answer(name, body)).text.split())
    assert quoted in text
    assert ", your function is right in every case" in text


def test_no_change_makes_a_list_too_long_for_the_memory():
    """A list times a number of MACs would be one of billions of entries."""
    layers = answer("network_saving", "return Fraction(sum(m * n for m, n, *_ in layers), 3 * 10 ** 9)")
    product = answer("heaviest_and_busiest", "n = 10 ** 12\nreturn len(layers) * n, n")
    tried = []

    def right(changed):
        for case in BY_NAME["heaviest_and_busiest"].all_cases()[:2]:
            tried.append(changed(*case))
        return False

    for wrong in (layers, product):
        for arguments in ([], ["layers"]):
            assert mended_in_one_place(wrong, arguments, [], right) is None
    assert tried
    for left, right in [([0], 10**12), ("ab", 10**12), ((1, 2), 10**12)]:
        with pytest.raises(_mending.TooLong):
            left * _mending._factor(right)
        with pytest.raises(_mending.TooLong):
            right * _mending._factor(left)
    assert 3 * _mending._factor(10**12) == 3 * 10**12 == 10**12 * _mending._factor(3)
    assert [1] * _mending._factor(2) == 2 * _mending._factor([1]) == [1, 1]


# Each of the factors is small; so is each step that the list grows by.
GROWING = ["kernel_size * 900 * 800 * 700 * 600", "900 * 800 * (700 * (600 * kernel_size))",
           "kernel_size[0] * 900 * 800 * 700 * 600", "[out_channels] * 3000 * 2000 * 1000"]  # fmt: skip


@pytest.mark.parametrize("product", GROWING)
def test_no_list_grows_too_long_by_many_small_factors(product):
    wrong = answer("conv2d_macs", f"n = [1]\nfor _ in range(9):\n    n *= 90\nreturn {product}, n")
    longest = []

    def right(changed):
        try:
            sides, grown = changed(3, 8, (3, 5), (18, 15), 1, 0, 1)
            longest.extend(len(each) for each in (sides, grown) if isinstance(each, (list, tuple)))
        except TypeError:
            pass
        return False

    arguments = ["in_channels", "out_channels", "stride", "padding", "groups"]
    assert mended_in_one_place(wrong, arguments, [], right) is None
    assert max(longest, default=0) <= _mending.LONGEST_LIST


def test_no_layer_is_tried_with_a_kernel_of_a_thousand():
    """A kernel or a padding of 1,000 would take minutes, in code that no alarm stops."""
    body = "return nn.Sequential(nn.Conv2d(3, stem_channels, 3, 2, padding=1), nn.AdaptiveAvgPool2d(1))"
    tree = _mending.tree_of(answer("dense_twin", body))
    changes = _mending._changes(tree.body[0], ["num_classes"], [])
    tried = [change.other.value for change in changes if isinstance(change.other, ast.Constant)]
    numbers = [value for value in tried if type(value) in (int, float)]
    assert {2, 4, 6} <= set(numbers)
    assert max(numbers) <= 6


def test_an_argument_that_is_a_list_is_no_factor():
    """The answer is about a list of layers; changes that multiply by it cost seconds, and help nobody."""
    begun = time.thread_time()
    body = "w = [a * b * k * k for a, b, k, s in layers]\nm = [a + b * s * s for a, b, k, s in layers]\n"
    verdict = BY_NAME["heaviest_and_busiest"].verdict(
        answer("heaviest_and_busiest", f"{body}return w.index(max(w)), m.index(max(m))")
    )
    assert verdict.outcome == "wrong"
    assert time.thread_time() - begun < 20


def test_the_answers_of_a_solution_with_one_change_are_recognised_in_any_code():
    body = (
        "rows = [(name, max(0, int(((memory - 12 * p) - (memory - 12 * p) % (8 * k)) / (k << 3)))) "
        "for name, _, p, k in networks]\n"
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
    "heaviest_and_busiest": "w = [m * n * k * k + n for m, n, k, s in layers]\n"
    "c = [m * n * k * k * s * s for m, n, k, s in layers]\nreturn w.index(max(w)), c.index(max(c))",
    "largest_multiplier": "import math\nreturn math.ceil(1 / (1 / out_channels + 1 / taps)) - 1",
    "filters_per_channel": "ranks = torch.linalg.matrix_rank(kernel.transpose(0, 1).flatten(2), atol=0.5)\n"
    "return max(1, int(ranks.max()))",
    "idle_layers": "import copy\ntwin, names = copy.deepcopy(model), set()\nfor n, m in twin.named_modules():\n"
    "    m.register_forward_hook(lambda part, i, o, n=n: names.add(n))\ntwin(image)\n"
    "return [n for n, m in model.named_modules() if hasattr(m, 'weight') and n not in names]",
    "dense_twin": "parts, c = [], 3\nfor n, s in [(stem_channels, 2), *rows]:\n"
    "    parts += [nn.Conv2d(c, n, 3, s, 1, bias=False), nn.BatchNorm2d(n), nn.ReLU()]\n    c = n\n"
    "end = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(c, num_classes)]\n"
    "return nn.Sequential(*parts, *end)",
    "frozen": "class Frozen(nn.Sequential):\n    def train(self, mode=True):\n        return self\n"
    "return Frozen(body.requires_grad_(False), head).eval()",
}  # fmt: skip


@pytest.mark.parametrize("name", MISSED)
def test_what_was_once_called_correct_is_not(name):
    assert BY_NAME[name].verdict(answer(name, MISSED[name])).outcome == "wrong"


def test_a_call_shows_the_sets_that_it_is_given():
    verdict = BY_NAME["time_with_chip"].verdict(answer("time_with_chip", "return 0"))
    assert "supported={'conv'}" in verdict.text


# More of the same: the exercise, what is wrong, and the answer.
MISSED_TOO = [
    ("frozen", "dropout still draws",
     "class Frozen(nn.Sequential):\n    def train(self, mode=True):\n        super().train(mode)\n"
     "        for m in self[0].modules():\n            if isinstance(m, nn.BatchNorm2d):\n                m.eval()\n"
     "        return self\nreturn Frozen(body.requires_grad_(False), head)"),
    ("typical_time", "the slowest left out", "return median(sorted(seconds, reverse=True)[warm_up:])"),
    ("three_sets", "every third index",
     "x = list(range(count))\nv = x[seed % 3::3][:held_out]\nt = x[(seed + 1) % 3::3][:held_out]\n"
     "return [i for i in x if i not in v and i not in t], v, t"),
    ("time_with_chip", "the faster place", "f = [c < p and n in supported for n, c, p in operations]\n"
     "changes = sum(a != b for a, b in zip([False, *f], [*f, False]))\n"
     "return changes * copy + sum(c if on else p for on, (n, c, p) in zip(f, operations))"),
    ("time_with_chip", "a part of the name", "f = [any(s in n for s in supported) for n, c, p in operations]\n"
     "changes = sum(a != b for a, b in zip([False, *f], [*f, False]))\n"
     "return changes * copy + sum(c if on else p for on, (n, c, p) in zip(f, operations))"),
    ("idle_layers", "modules without parts",
     "import copy\ntwin, names = copy.deepcopy(model).eval(), set()\nfor n, m in twin.named_modules():\n"
     "    m.register_forward_hook(lambda m, i, o, n=n: names.add(n))\ntwin(image)\n"
     "return [n for n, m in model.named_modules() if n not in names and not list(m.children())"
     " and list(m.parameters(recurse=False))]"),
    ("idle_layers", "what learns",
     "import copy\ntwin, names = copy.deepcopy(model).eval(), set()\nfor n, m in twin.named_modules():\n"
     "    m.register_forward_hook(lambda m, i, o, n=n: names.add(n))\ntwin(image)\n"
     "return [n for n, m in model.named_modules() if n not in names"
     " and any(p.requires_grad for p in m.parameters(recurse=False))]"),
    ("idle_layers", "one mode for all",
     "ran, mode = set(), model.training\nhooks = [m.register_forward_hook(lambda m, i, o: ran.add(m)) "
     "for m in model.modules()]\nmodel.eval()\nmodel(image)\nfor hook in hooks:\n    hook.remove()\nmodel.train(mode)\n"
     "return [n for n, m in model.named_modules() if m not in ran and list(m.parameters(recurse=False))]"),
    ("filters_per_channel", "summed over the inputs",
     "return max(1, int(torch.linalg.matrix_rank(kernel.sum(1).flatten(1))))"),
    ("misprints", "all of a text without a point",
     "total = sum(macs.values())\nreturn [n for n, text in printed.items() "
     "if round(100 * macs[n] / total, len(text.split('.')[-1])) != float(text)]"),
    ("misprints", "zeros at the end lost",
     "total = sum(macs.values())\nreturn [n for n, text in printed.items() if round(100 * macs[n] / total, "
     "len(str(float(text)).partition('.')[2]) if '.' in text else 0) != float(text)]"),
    ("first_misfit", "the last number alone",
     "for n in ours:\n    if n not in theirs or theirs[n][-1:] != ours[n][-1:]:\n        return n"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "what", "body"), MISSED_TOO, ids=[what for _, what, _ in MISSED_TOO])
def test_what_was_called_correct_for_want_of_a_case_is_not(name, what, body):
    assert BY_NAME[name].verdict(answer(name, body)).outcome == "wrong"


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


# Where several changes help, the one is told that a person would know again: the exercise, the answer, what is said.
RECOGNISED = [
    ("least_milliseconds", "flops = 2 * macs * gflops\nreturn 1000 * flops / (gflops * 10**9)",
     "`flops = 2 * macs` in"),
    ("least_milliseconds", "return round(2 * macs / gflops / 10**6, 2)", "You rounded to 2 digits"),
    ("least_milliseconds", "return max(1.0, 2 * macs / gflops / 10**6)", "too many: `max`"),
    ("channels_needed", "for n in range(1, 10001):\n    if n * taps >= factor * (n + taps):\n        return n\n"
     "return None", "a search ends too early"),
    ("largest_picture", "best = 0\nfor side in range(1, 1001):\n    if kernel_size**2 * in_channels * out_channels"
     " * ((side - 1) // stride + 1) ** 2 <= budget:\n        best = side\nreturn best", "does a search end too early?"),
    ("network_saving", "a = b = 0\nfor m, n, k, s, t in layers:\n    p = ((s - 1) // t + 1) ** 2\n    a += k*k*m*n*p\n"
     "    b += max(k * k * m * n * p, k * k * m * p + m * n * p)\nreturn Fraction(a, b)", "+= min("),
    ("dense_kernel", "return (matrix[..., None, None] * filters).sum(2).transpose(2, 3)", "too many: `transpose`"),
    ("achieved_gflops", "from statistics import median\nreturn 4 * macs * batch_size / median(seconds) / 1e9",
     "`2 * macs * batch_size"),
    ("macs_per_byte", "w = kernel_size**2 * in_channels * out_channels // groups\np = map_size**2 * batch_size\n"
     "return Fraction(w * p, number_bytes * w + p * (in_channels + out_channels))", "Parentheses stand in the wrong"),
    ("bias_left", "mean = 0.0\nfor _ in range(batches):\n    mean = (1 - momentum) * mean + bias\nreturn bias - mean",
     "bias * momentum"),
    ("receptive_field", "f, s = 1, 1\nfor k, t in layers:\n    f += (k - 1) * s\n    s *= t\n    return f\nreturn f",
     "With `return f` behind the loop your function"),
    ("network_saving", "for m, n, k, s, t in layers:\n    a = b = 0\n    p = ((s - 1) // t + 1) ** 2\n"
     "    a += k*k*m*n*p\n    b += min(k * k * m * n * p, k * k * m * p + m * n * p)\nreturn Fraction(a, b)",
     "begins anew"),
    ("trace", "sides, side = [], resolution\nfor stride in [2, *(s for _, s in rows)]:\n    sides.append(side)\n"
     "    side = (side - 1) // stride + 1\nreturn sides",
     "With `side = (side - 1) // stride + 1` before `sides.append(side)`"),
    ("bias_left", "mean = 0.0\nfor _ in range(batches):\n    mean += momentum * (bias - mean)\nreturn mean - bias",
     "`return bias - mean`"),
    ("rounded_width", "x = int(channels * width_multiplier)\nw = max(8, int(x + 4) // 8 * 8)\n"
     "return w + 8 if w < 0.9 * x else w", "too many: `int`"),
    ("weight_shape", "return out_channels, in_channels // groups, kernel_size", "has 3 parts; the exercise asks for 4"),
    ("largest_side", "for s in range(256, 0, -32):\n    if max(l.cost.input_elements + l.cost.output_elements"
     " for l in mobilenet_v1(width_multiplier, s).layers) <= memory:\n        return s\nreturn 0", "goes above 224"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "words"), RECOGNISED, ids=[each[2][:30] for each in RECOGNISED])
def test_what_is_told_is_what_a_person_would_know_again(name, body, words):
    verdict = BY_NAME[name].verdict(answer(name, body))
    assert verdict.outcome in ("wrong", "error")
    assert verdict.mistake
    assert words in " ".join(verdict.text.split())


@pytest.mark.parametrize("name", ["idle_layers", "largest_side"])
def test_no_number_of_digits_and_no_far_limit_is_brought_into_an_answer(name):
    """Changes that only happen to hold: a constant that stands nowhere near, one name of a network for another."""
    bodies = {
        "idle_layers": "import copy\ntypes = set()\ntwin = copy.deepcopy(model)\nfor m in twin.modules():\n"
        "    m.register_forward_hook(lambda part, i, o: types.add(type(part)))\ntwin(image)\n"
        "return [n for n, m in model.named_modules() if list(m.parameters(recurse=False)) and type(m) not in types]",
        "largest_side": "for s in (224, 192, 160, 128):\n    if max(l.cost.input_elements + l.cost.output_elements"
        " for l in mobilenet_v1(width_multiplier, s).layers) <= memory:\n        return s\nreturn 0",
    }
    text = " ".join(BY_NAME[name].verdict(answer(name, bodies[name])).text.split())
    assert "where it has" not in text
    assert "in place of" not in text


# Networks whose layers differ: what stands where, and what the solution has there.
OTHER_LAYERS = [
    ("nn.Linear(c, num_classes, bias=False)", "your `Linear(in_features=8, out_features=5, bias=False)`"),
    ("nn.Linear(c, num_classes), nn.ReLU()", "a layer that the solution has not: `ReLU()`"),
    ("nn.Dropout(0.2), nn.Linear(c, num_classes)", "a layer that the solution has not: `Dropout(p=0.2"),
    ("nn.Linear(c, 1000)", "your `Linear(in_features=8, out_features=1000, bias=True)`"),
]


@pytest.mark.parametrize(("end", "words"), OTHER_LAYERS, ids=[each[0] for each in OTHER_LAYERS])
def test_a_network_hears_which_of_its_layers_is_another(end, words):
    body = "parts, c = [], 3\nfor n, s in [(stem_channels, 2), *rows]:\n"
    body += "    parts += [nn.Conv2d(c, n, 3, s, 1, bias=False), nn.BatchNorm2d(n), nn.ReLU()]\n    c = n\n"
    body += f"return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), {end})"
    verdict = BY_NAME["dense_twin"].verdict(answer("dense_twin", body))
    assert verdict.outcome == "wrong"
    assert words in " ".join(verdict.text.split())
    assert "RuntimeError" not in verdict.text


def test_a_network_of_functions_is_not_said_to_lack_the_layers_that_they_are():
    body = "class Block(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    body += "        p = kernel_size // 2\n        m, n = in_channels, out_channels\n"
    body += "        self.a = nn.Conv2d(m, m, kernel_size, stride, p, groups=m, bias=False)\n"
    body += "        self.b, self.d = nn.BatchNorm2d(m), nn.BatchNorm2d(n)\n"
    body += "        self.c = nn.Conv2d(m, n, 1)\n    def forward(self, x):\n"
    body += "        return self.d(self.c(self.b(self.a(x)).relu())).relu()\nreturn Block()"
    verdict = BY_NAME["separable_block"].verdict(answer("separable_block", body))
    assert verdict.outcome == "wrong"
    assert "ReLU" not in verdict.text
