"""Verdicts for tests: the published example, with what a test wants otherwise."""

from matcher.verdict import Verdict, example


def verdict(**changes):
    return Verdict.model_validate(example() | changes)
