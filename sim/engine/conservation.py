"""Conservation: tickets, withdrawals and their money are neither lost nor created."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sim.core.arrays import Ints
from sim.core.clock import NEVER
from sim.engine.outcome import LEFT, OPEN, RESOLVED, TURNED_AWAY, DeskOutcome
from sim.feedback import FeedbackInputs, FeedbackParameters, columns

_LOST_ROWS = (columns.LOST_AT_GATEWAY, columns.LOST_AT_LIMIT, columns.UNCONFIRMED)


class ConservationError(ArithmeticError):
    """An account does not balance: a fault of the program, whatever the scenario says."""


class Balance(NamedTuple):
    """The inflow and all places where it may now be: none is negative, and they sum to the inflow.

    The arrays have an element for each minute looked at, those of money for each rail and minute; those of rows are
    of the end.
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
    at = slice(None) if every_minute else slice(-1, None)
    ints, rails = outcome.feedback_ints, outcome.feedback_rails[:, :, at].transpose(1, 0, 2)
    attempts = np.cumsum(ints[columns.REQUESTS])[at]
    came, cents = _requests(inputs, ints[:, at], at)
    yield from _withdrawals(ints[:, at], rails.sum(axis=1), came, attempts)
    yield _requested(rails, cents)
    yield _wallets(rails, parameters, _before(inputs.deposits, at) if inputs.deposits.size else 0)
    yield from _classes(outcome, inputs)
    yield from _rows(outcome, inputs)


def _before(by_minute: Ints, at: slice) -> Ints:
    """Return running sums up to each tick, which takes the minutes before its own; the last axis is the minute."""
    sums = np.cumsum(by_minute, axis=-1)
    return np.concatenate([np.zeros_like(sums[..., :1]), sums[..., :-1]], axis=-1)[..., at]


def _tickets(outcome: DeskOutcome) -> Balance:
    """Every ticket that was opened, by how it ended; those that were not opened must not have ended."""
    opened, closed = outcome.opened_ms, outcome.closed_ms
    ended = (opened <= closed) & (closed < NEVER)
    places = {
        "resolved": ended & (outcome.outcome == RESOLVED),
        "left": ended & (outcome.outcome == LEFT),
        "turned away": ended & (outcome.outcome == TURNED_AWAY),
        "open": (opened < NEVER) & (closed == NEVER) & (outcome.outcome == OPEN),
    }
    return Balance("tickets", (opened < NEVER).sum(keepdims=True), {n: p.sum(keepdims=True) for n, p in places.items()})


def _withdrawals(ints: Ints, sums: Ints, came: Ints, attempts: Ints) -> Iterator[Balance]:
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
    yield Balance("withdrawals", came, ended | refused | inside)
    yield Balance("attempts to withdraw", attempts, failed | refused | inside)


def _requests(inputs: FeedbackInputs, ints: Ints, at: slice) -> tuple[Ints, Ints]:
    """Return how many had asked by each tick, and by rail their money in cents: those drawn, and the frightened."""
    drawn, rails = inputs.rows.drawn, np.arange(len(inputs.requests))[:, None]
    minute, cents = drawn[:, columns.ROW_MINUTE], inputs.requests[:, :, 1].sum(axis=1)
    regular = minute >= 0
    np.add.at(cents, (drawn[regular, columns.ROW_RAIL], minute[regular]), drawn[regular, columns.ROW_CENTS])
    panicked = inputs.panic_cents.copy()
    if inputs.panic_row.size:
        is_row = inputs.panic_row >= 0
        panicked[is_row] = drawn[inputs.panic_row[is_row], columns.ROW_CENTS]
    frightened = np.where(inputs.panic_rail == rails, panicked, 0)
    frightened = np.pad(frightened.cumsum(axis=1), ((0, 0), (1, 0)))[:, ints[columns.PANICKED]]
    return _before(inputs.withdrawals, at) + ints[columns.PANICKED], _before(cents, at) + frightened


def _classes(outcome: DeskOutcome, inputs: FeedbackInputs) -> Iterator[Balance]:
    """Counted requests and their cents at the end, by rail and class: who asked, and who passed the gateway."""
    kinds, last = outcome.withdrawal_classes, outcome.feedback_ints[:, -1]
    frightened, came = slice(last[columns.PANICKED]), inputs.requests[..., :-1].sum(axis=-1)
    if inputs.panic_row.size:
        counted = inputs.panic_row[frightened] < 0
        rail, kind = inputs.panic_rail[frightened][counted], inputs.panic_class[frightened][counted]
        np.add.at(came[..., 0], (rail, kind), 1)
        np.add.at(came[..., 1], (rail, kind), inputs.panic_cents[frightened][counted])
    names = {"given up": columns.GIVEN_UP, "let through": columns.LET_THROUGH, "to come again": columns.COMING}
    for what, cents in (("counted requests", 0), ("cents of counted requests", 1)):
        yield Balance(what, came[..., cents], {name: kinds[..., one + cents] for name, one in names.items()})
    through = kinds[..., columns.LET_THROUGH]
    for name, there, some in (
        ("that a country bars", last[columns.BARRED], through[:, columns.FORBIDDEN].sum()),
        ("not confirmed", last[columns.DROPPED] - _n(outcome, columns.UNCONFIRMED), through[:, columns.DROPPING].sum()),
    ):
        yield Balance(f"counted requests {name}", np.atleast_1d(there), {"of the class": np.atleast_1d(some)})


def _n(outcome: DeskOutcome, *stages: int) -> int:
    """Return how many rows are at one of these stages at the end."""
    return int(np.isin(outcome.withdrawal_rows[columns.STAGE], stages).sum())


def _rows(outcome: DeskOutcome, inputs: FeedbackInputs) -> Iterator[Balance]:
    """Rows by where each is at the end, each in one place, against what was counted of them on the way."""
    stage, ints, rails = outcome.withdrawal_rows[columns.STAGE], outcome.feedback_ints, outcome.feedback_rails
    names = {
        "to come again": columns.RETURNING, "in review": columns.IN_REVIEW, "held": columns.ON_HOLD,
        "waiting to be paid": columns.IN_LINE, "confirming": columns.ON_CHAIN, "final": columns.DONE,
        "given up": columns.LOST_AT_GATEWAY, "turned away": columns.LOST_AT_LIMIT, "dropped": columns.UNCONFIRMED,
    }  # fmt: skip
    yield Balance(
        "withdrawals with an identity",
        ints[columns.REQUESTED_ROWS, -1:],
        {name: (stage == one).sum(keepdims=True) for name, one in names.items()},
    )
    last = rails[:, :, -1]
    line, chain = last[:, columns.PAYOUT_IN] - last[:, columns.PAID], last[:, columns.PAID] - last[:, columns.FINAL]
    counted_final = last[:, columns.FINAL] - last[:, columns.ROWS_FINAL]
    for name, one, there in (
        ("in review", columns.IN_REVIEW, last[:, columns.REVIEW_IN] - last[:, columns.REVIEWED]),
        ("waiting to be paid", columns.IN_LINE, line - (last[:, columns.COUNTED_IN] - last[:, columns.COUNTED_PAID])),
        ("confirming", columns.ON_CHAIN, chain - (last[:, columns.COUNTED_PAID] - counted_final)),
        ("final", columns.DONE, last[:, columns.ROWS_FINAL]),
    ):
        n = np.bincount(inputs.rows.drawn[stage == one, columns.ROW_RAIL], minlength=len(last))
        yield Balance(f"rows {name}", there, {"of each of them": n})
    kinds, gone = outcome.withdrawal_classes, (columns.FORBIDDEN, columns.DROPPING)
    lost = kinds[..., columns.GIVEN_UP_C].sum(axis=1) + kinds[:, gone, columns.LET_THROUGH_C].sum(axis=1)
    for name, stages, there in (
        ("in review", (columns.IN_REVIEW,), last[:, columns.REVIEW_IN_C] - last[:, columns.REVIEWED_C]),
        ("held", (columns.ON_HOLD,), last[:, columns.HELD_C]),
        ("waiting to be paid", (columns.IN_LINE,), _rows_waiting(last)),
        ("paid", (columns.ON_CHAIN, columns.DONE), last[:, columns.PAID_C] - last[:, columns.COUNTED_PAID_C]),
        ("to come again", (columns.RETURNING,), last[:, columns.AGAIN_C] - kinds[..., columns.COMING_C].sum(axis=1)),
        ("given up, turned away or dropped", _LOST_ROWS, last[:, columns.LOST_C] - lost),
    ):
        mine = inputs.rows.drawn[np.isin(stage, stages)]
        cents = np.zeros(len(last), np.int64)
        np.add.at(cents, mine[:, columns.ROW_RAIL], mine[:, columns.ROW_CENTS])
        yield Balance(f"cents of rows {name}", there, {"of each of them": cents})


def _rows_waiting(last: Ints) -> Ints:
    """Return by rail the cents of the rows that wait to be paid: of all who wait, less the counted ones."""
    all_of_them = last[:, columns.PAYOUT_IN_C] - last[:, columns.PAID_C]
    return all_of_them - (last[:, columns.COUNTED_IN_C] - last[:, columns.COUNTED_PAID_C])


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
