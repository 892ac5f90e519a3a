"""What lines have in common: how many a tick serves, and how many of the tickets that events ask for it admits."""

from __future__ import annotations

from sim.core.jit import inlined
from sim.feedback.mechanisms.rumour import TICKETS_CLOSED


@inlined
def capacity(minute, batch, per_minute):  # type: ignore[no-untyped-def]
    """Return how many the tick of a minute may serve: the whole ones of a rate, at the tick of a batch.

    By the end of batch t, from 0, they are floor((t + 1) x rate x batch) in all, if there was always someone to serve;
    what a batch does not use is lost.
    """
    done = minute
    if batch > 1:  # a division takes longer than all the rest
        done = minute // batch
        if done * batch < minute:
            return 0
    each = per_minute * batch
    return int((done + 1) * each) - int(done * each)


@inlined
def ask(lv, row, share, pending, wanted):  # type: ignore[no-untyped-def]
    """Admit the candidates that this minute's events ask for, as far as they go; what is more is asked for later."""
    asked = lv.floats[row - 1, pending] + wanted
    if asked > 0.0:  # the columns are 0 where nothing is asked for
        if not lv.exogenous[TICKETS_CLOSED, row - 1]:
            lv.floats[row, share] = min(asked, 1.0)
        lv.floats[row, pending] = asked - lv.floats[row, share]
