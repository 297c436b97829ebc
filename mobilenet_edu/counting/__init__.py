"""Count a network by running it once, and rebuild what other counters print about it.

`count_cost` watches PyTorch's own dispatch, so that functional calls count too: MACs of convolutions and matrix
products, parameters once; `register_macs` adds a formula, and `training_macs` counts a training step. `explain` finds
the conventions that lead to a given number: every counter is a sum of a few `INGREDIENTS`, and `CONVENTIONS` says how
often each takes which.
"""

from mobilenet_edu.counting.explaining import CONVENTIONS, INGREDIENTS, Convention, explain, ingredients
from mobilenet_edu.counting.macs import count_cost, register_macs, training_macs

__all__ = [
    "CONVENTIONS",
    "INGREDIENTS",
    "Convention",
    "count_cost",
    "explain",
    "ingredients",
    "register_macs",
    "training_macs",
]
