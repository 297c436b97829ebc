#!/usr/bin/env bash
# tinygrad 0.14.0, in its pure-Python device.
# Guess: GlobalCounters.global_ops of a convolution is twice its multiply-adds; padding does not matter, and every convolution
#        is counted alike.
# Really: it counts the operations of the kernel that was scheduled. Taps on padding are left out, and whether the first
#         product of a sum costs an addition depends on the loop: with A real taps and O outputs, pointwise and depthwise layers
#         count 2A - O, a standard 3x3 layer counts 2A. ReLU6 by clip costs three an element.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tinygrad==0.14.0
DEV=PYTHON "$folder/venv/bin/python" - <<'PYTHON'
from tinygrad import GlobalCounters, Tensor

image = Tensor.rand(1, 4, 6, 6).realize()
filters = {side: Tensor.rand(8, 4, side, side).realize() for side in (1, 3)}
thin = Tensor.rand(4, 1, 3, 3).realize()
taps = 16 * 16  # of a 3x3 window with padding 1 on a 6x6 map: 4 rows see three, 2 rows see two; columns likewise
cases = {  # what runs, what the guess says, and what the rule above says
    "pointwise": (lambda: image.conv2d(filters[1]), 2 * 4 * 8 * 36, 2 * 4 * 8 * 36 - 8 * 36),
    "depthwise, no padding": (lambda: image.conv2d(thin, groups=4), 2 * 4 * 9 * 16, 2 * 4 * 9 * 16 - 4 * 16),
    "depthwise, padding 1": (lambda: image.conv2d(thin, groups=4, padding=1), 2 * 4 * 9 * 36, 2 * 4 * taps - 4 * 36),
    "standard, no padding": (lambda: image.conv2d(filters[3]), 2 * 32 * 9 * 16, 2 * 32 * 9 * 16),
    "standard, padding 1": (lambda: image.conv2d(filters[3], padding=1), 2 * 32 * 9 * 36, 2 * 32 * taps),
    "ReLU6": (lambda: image.clip(0, 6), 2 * 144, 3 * 144),
}
for name, (run, guess, rule) in cases.items():
    GlobalCounters.reset()
    run().realize()
    print(f"{name:22} guess {guess:6} printed {GlobalCounters.global_ops:6}")
    assert GlobalCounters.global_ops == rule, f"{name}: counted otherwise now"
PYTHON
