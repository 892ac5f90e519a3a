"""Conservation: tickets, withdrawals and their money are neither lost nor created."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sim.core.arrays import Ints
from sim.core.clock import NEVER
from sim.engine.outcome import LEFT, RESOLVED, DeskOutcome
from sim.feedback import FeedbackInputs, FeedbackParameters, columns


class ConservationError(ArithmeticError):
    """An account does not balance: a fault of the program, whatever the scenario says."""


class Balance(NamedTuple):
    """The inflow and all places where it may now be: none is negative, and they sum to the inflow.

    The arrays have an element for each minute looked at, those of money for each rail and minute.
    """

    name: str
    came: Ints
    places: dict[str, Ints]


def check_conservation(
    outcome: DeskOutcome, inputs: FeedbackInputs, parameters: FeedbackParameters | None, *, every_minute: bool = False
) -> None:
    """Raise ConservationError for the first account of a replication that does not balance, with its place.

    Only the last minute is looked at, which holds the sums of all before it, unless every minute is asked for.
    """
    for account in accounts(outcome, inputs, parameters, every_minute=every_minute):
        places = np.stack(np.broadcast_arrays(*account.places.values()))
        wrong = (places.sum(axis=0) != account.came) | (places < 0).any(axis=0)
        if wrong.any():
            at = tuple(int(i[0]) for i in np.nonzero(wrong))
            found = ", ".join(f"{int(place[at]):,} {name}" for name, place in zip(account.places, places, strict=True))
            raise ConservationError(f"{account.name}{list(at)}: {account.came[at]:,} came, of which there are {found}")


def accounts(
    outcome: DeskOutcome, inputs: FeedbackInputs, parameters: FeedbackParameters | None, *, every_minute: bool = False
) -> Iterator[Balance]:
    """Yield the accounts of one replication: tickets at its end; withdrawals, and money by rail in US cents."""
    yield _tickets(outcome)
    if parameters is None or not outcome.feedback_ints.shape[1]:
        return
    sums = np.cumsum if every_minute else _total
    at = slice(None) if every_minute else slice(-1, None)
    ints, rails = outcome.feedback_ints, outcome.feedback_rails[:, :, at].transpose(1, 0, 2)
    yield from _withdrawals(ints[:, at], rails.sum(axis=1), sums(inputs.withdrawals), sums(ints[columns.REQUESTS]))
    yield _requested(
        rails, sums(inputs.requests[:, 1] + inputs.requests[:, 3], axis=1) + _frightened(inputs, ints[:, at])
    )
    deposits = sums(inputs.deposits, axis=1) if inputs.deposits.size else 0
    yield _wallets(rails, parameters, deposits)


def _total(counts: Ints, axis: int = 0) -> Ints:
    return counts.sum(axis=axis, keepdims=True)


def _tickets(outcome: DeskOutcome) -> Balance:
    """Every ticket that was opened, by how it ended; those that were not opened must not have ended."""
    opened, closed = outcome.opened_ms, outcome.closed_ms
    ended = (opened <= closed) & (closed < NEVER)
    places = {
        "resolved": ended & (outcome.outcome == RESOLVED),
        "left": ended & (outcome.outcome == LEFT),
        "open": (opened < NEVER) & (closed == NEVER) & (outcome.outcome != RESOLVED) & (outcome.outcome != LEFT),
    }
    return Balance("tickets", (opened < NEVER).sum(keepdims=True), {n: p.sum(keepdims=True) for n, p in places.items()})


def _withdrawals(ints: Ints, sums: Ints, drawn: Ints, attempts: Ints) -> Iterator[Balance]:
    """Requests by where they stand, and attempts, of which a request may need several, by what became of them."""
    refused = {"barred": ints[columns.BARRED], "dropped": ints[columns.DROPPED]}
    inside = {
        "in review": sums[columns.REVIEW_IN] - sums[columns.REVIEWED],
        "held": ints[columns.HELD] - ints[columns.RELEASED],
        "waiting to be paid": sums[columns.PAYOUT_IN] - sums[columns.PAID],
        "confirming": sums[columns.PAID] - sums[columns.FINAL],
        "final": sums[columns.FINAL],
    }
    ended = {
        "given up": ints[columns.GAVE_UP],
        "turned away": ints[columns.TURNED_AWAY],
        "to come again": ints[columns.N_AGAIN],
    }
    failed = {"failed": ints[columns.FAILED], "over the limit": ints[columns.OVER_LIMIT]}
    yield Balance("withdrawals", drawn + ints[columns.PANICKED], ended | refused | inside)
    yield Balance("attempts to withdraw", attempts, failed | refused | inside)


def _frightened(inputs: FeedbackInputs, ints: Ints) -> Ints:
    """Return by rail the money that those who have panicked by each minute asked for, in cents."""
    rails = np.arange(len(inputs.requests))[:, None]
    by_rail = np.where(inputs.panic_rail == rails, inputs.panic_cents, 0)
    return np.pad(by_rail.cumsum(axis=1), ((0, 0), (1, 0)))[:, ints[columns.PANICKED]]


def _requested(rails: Ints, came: Ints) -> Balance:
    places = {
        "given up, turned away, barred or dropped": rails[columns.LOST_C],
        "to come again": rails[columns.AGAIN_C],
        "in review": rails[columns.REVIEW_IN_C] - rails[columns.REVIEWED_C],
        "held": rails[columns.HELD_C],
        "waiting to be paid": rails[columns.PAYOUT_IN_C] - rails[columns.PAID_C],
        "paid": rails[columns.PAID_C],
    }
    return Balance("cents asked for", came, places)


def _wallets(rails: Ints, parameters: FeedbackParameters, deposits: Ints | int) -> Balance:
    """What the wallets of a rail held at first and got; rails without a wallet have nothing, and pay from nowhere."""
    owns = np.array([[rail.hot_cents >= 0] for rail in parameters.rails])
    start = np.array([[max(rail.hot_cents, 0) + rail.cold_cents] for rail in parameters.rails])
    places = {
        "hot": rails[columns.HOT_C],
        "cold": rails[columns.COLD_C],
        "on the way": rails[columns.TRANSIT_C],
        "paid": rails[columns.PAID_C] * owns,
    }
    return Balance("cents in wallets", start + deposits * owns + np.zeros_like(rails[columns.PAID_C]), places)
