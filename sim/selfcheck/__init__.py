"""Textbook systems, run with the model's own demand, engine and feedback levels, against exact answers.

``checks`` lists them, ``run_check`` runs one, ``selfcheck`` yields the results of all, one by one.
"""

from __future__ import annotations

from collections.abc import Iterator

from sim.selfcheck import feedback, networks, public, queues, selection, staff, time_varying, withdrawals
from sim.selfcheck.check import Check, Compared, Result, run_check

__all__ = ["Check", "Compared", "Result", "checks", "run_check", "selfcheck"]


_SUBJECTS = (queues, staff, networks, time_varying, public, feedback, withdrawals, selection)


def checks() -> tuple[Check, ...]:
    """Return every check."""
    return tuple(check for subject in _SUBJECTS for check in subject.checks())


def selfcheck(*, seed: int = 1) -> Iterator[Result]:
    """Yield the result of every quantity of every check as it is ready; half a minute in all."""
    for check in checks():
        yield from run_check(check, seed=seed)
