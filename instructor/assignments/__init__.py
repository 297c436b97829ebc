"""The assignments, by name. Each module is one, and can be read from top to bottom."""

from instructor.assignments import block, budget, costs

ASSIGNMENTS = {"costs": costs.assignment, "block": block.assignment, "budget": budget.assignment}
