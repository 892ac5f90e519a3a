"""The step of the feedback levels from one minute to the next, called by every engine at the minute's tick."""

from __future__ import annotations

from sim.core.jit import compiled, outlined
from sim.feedback.mechanisms.panic import run_on_the_bank
from sim.feedback.public import listen
from sim.feedback.withdrawals import request, withdraw


@outlined
def step(row, complaints, unanswerable, lv):  # type: ignore[no-untyped-def]
    """Write row ``row`` of every column: the minute after row - 1, in which ``complaints`` complaints were posted.

    ``unanswerable`` of them may not be answered in public.
    """
    listen(lv, row, complaints, unanswerable)
    request(lv, row)
    run_on_the_bank(lv, row)
    withdraw(lv, row)


@compiled
def ticks(lv, posted):  # type: ignore[no-untyped-def]
    """Yield each row once ``step`` has written it, from ``posted``: the minute's complaints, and the unanswerable ones.

    A generator unpacks the levels once, which takes longer than a step.
    """
    for row in range(1, len(lv.ints)):
        step(row, posted[0], posted[1], lv)
        yield row
