"""Count a network by running it once, and rebuild what other counters print about it.

`count_cost` watches PyTorch's own dispatch, so that functional calls count too: MACs of convolutions and matrix
products, parameters once; `register_macs` adds a formula; `training_macs` counts a step, forward and backward.
`explain` finds the conventions that lead to a given number: every counter is a sum of a few `INGREDIENTS`, and
`CONVENTIONS` says how often each takes which; `nearest` says what is missing from a number that none gives.
"""

from mobilenet_edu.counting.conventions import CONVENTIONS, Convention
from mobilenet_edu.counting.explaining import explain, nearest
from mobilenet_edu.counting.ingredients import INGREDIENTS, ingredients
from mobilenet_edu.counting.macs import count_cost, register_macs, training_macs

__all__ = [
    "CONVENTIONS",
    "INGREDIENTS",
    "Convention",
    "count_cost",
    "explain",
    "ingredients",
    "nearest",
    "register_macs",
    "training_macs",
]
