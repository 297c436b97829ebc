"""The assignments, by name. Each module is one, and can be read from top to bottom."""

from instructor.assignments import block, budget, costs, talk

ASSIGNMENTS = {
    "costs": talk.with_talk(costs.assignment, talk.costs),
    "block": talk.with_talk(block.assignment, talk.block),
    "budget": talk.with_talk(budget.assignment, talk.budget),
}
