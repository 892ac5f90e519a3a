"""The inputs of the feedback levels: every draw of one replication that they need, by the minute."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Floats, Ints
from sim.feedback.declaration import DRAWN_ROWS


def _no_ints() -> Ints:
    return np.empty(0, np.int64)


def _no_floats() -> Floats:
    return np.empty(0)


@dataclass(frozen=True, kw_only=True)
class WithdrawalRows:
    """Withdrawals with an identity: ``drawn`` has the columns of ``DRAWN_ROWS``; the rows of a run stand last.

    ``keys`` address each row's marks, one for each attempt and purpose; ``account`` is the one mark of its account.
    """

    drawn: Ints = field(default_factory=lambda: np.empty((0, len(DRAWN_ROWS.columns)), np.int64))
    keys: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    account: Floats = field(default_factory=_no_floats)

    def and_then(self, others: WithdrawalRows) -> WithdrawalRows:
        """Return these rows and then others."""
        return WithdrawalRows(
            drawn=np.concatenate([self.drawn, others.drawn]),
            keys=np.concatenate([self.keys, others.keys]),
            account=np.concatenate([self.account, others.account]),
        )


@dataclass(frozen=True, kw_only=True)
class FeedbackInputs:
    """Requests to withdraw and all else that is drawn for the levels.

    ``requests[rail, class]`` has the counted requests of each minute and their money in cents; the others are
    ``rows``. ``mark_keys`` address the marks of counted ones. ``request_tick`` has by minute the tick at which is
    requested what would be at this one: a later one in a closure. Empty arrays stand for nothing. ``posts_ms`` and
    ``campaign_ms`` are times of posts that name no ticket.
    ``closed`` marks the minutes in which a rail pays nothing, ``deposits`` are cents into its hot wallet, ``blocks``
    the minute of each block of its chain (NEVER-like large ones at the end), ``refill_minutes`` how long each refill
    takes. ``exogenous`` has the lines of ``columns.EXOGENOUS_NAMES``. ``copy_times``, ``panic_times``, ``calm_times``
    are those of Poisson processes of rate 1, in units of their intensity (random time change: Kurtz 1980). Each post
    has one of ``post_marks`` as its weight, in order. Who is frightened asks for ``panic_cents`` on ``panic_rail``,
    counted in ``panic_class``, or as the row ``panic_row`` (-1 for none).
    """

    requests: Ints
    rows: WithdrawalRows = field(default_factory=WithdrawalRows)
    mark_keys: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(2, np.uint64))
    request_tick: Ints = field(default_factory=_no_ints)
    posts_ms: Ints = field(default_factory=_no_ints)
    campaign_ms: Ints = field(default_factory=_no_ints)
    closed: Ints = field(default_factory=_no_ints)
    deposits: Ints = field(default_factory=_no_ints)
    blocks: Ints = field(default_factory=_no_ints)
    refill_minutes: Ints = field(default_factory=_no_ints)
    exogenous: Floats = field(default_factory=_no_floats)
    copy_times: Floats = field(default_factory=_no_floats)
    panic_times: Floats = field(default_factory=_no_floats)
    calm_times: Floats = field(default_factory=_no_floats)
    post_marks: Floats = field(default_factory=_no_floats)
    panic_rail: Ints = field(default_factory=_no_ints)
    panic_cents: Ints = field(default_factory=_no_ints)
    panic_class: Ints = field(default_factory=_no_ints)
    panic_row: Ints = field(default_factory=_no_ints)

    @property
    def minutes(self) -> int:
        """Minutes of the run."""
        return self.requests.shape[-1]

    @property
    def withdrawals(self) -> Ints:
        """Return the requests to withdraw by the minute, of all rails, before any is made again."""
        minute = self.rows.drawn[:, 0]
        rows = np.bincount(minute[minute >= 0], minlength=self.minutes)
        return self.requests[:, :, 0].sum(axis=(0, 1)) + rows
