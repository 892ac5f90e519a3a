"""The step of the feedback levels from one minute to the next, called by every engine at the minute's tick."""

from __future__ import annotations

from sim.core.jit import compiled, outlined
from sim.feedback.mechanisms.panic import run_on_the_bank
from sim.feedback.public import listen
from sim.feedback.withdrawals import begin, withdraw


@outlined
def step(row, posted, lv):  # type: ignore[no-untyped-def]
    """Write row ``row`` of every column: the minute after row - 1, from what the desk did until its tick.

    ``posted`` has the complaints posted in the minute before, those of them that may not be answered in public, the
    tickets opened in it, and those open at the tick.
    """
    complaints, unanswerable, tickets, open_tickets = posted
    listen(lv, row, complaints, unanswerable)
    begin(lv, row)
    run_on_the_bank(lv, row)
    withdraw(lv, row, tickets, open_tickets)


@compiled
def ticks(lv, posted):  # type: ignore[no-untyped-def]
    """Yield each row once ``step`` has written it, from the four numbers ``posted`` (see there).

    A generator unpacks the levels once, which takes longer than a step.
    """
    for row in range(1, len(lv.ints)):
        step(row, (posted[0], posted[1], posted[2], posted[3]), lv)
        yield row
