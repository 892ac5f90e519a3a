"""The inputs of the feedback levels: every draw of one replication that they need, by the minute."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sim.core.arrays import Floats, Ints


def _no_ints() -> Ints:
    return np.empty(0, np.int64)


def _no_floats() -> Floats:
    return np.empty(0)


@dataclass(frozen=True, kw_only=True)
class FeedbackInputs:
    """Requests to withdraw by rail, what can be reviewed or not, and minute; and all else that is drawn for the levels.

    ``requests[rail]`` has four lines: how many are automatic, their money in cents, how many are reviewed, theirs.
    Empty arrays stand for nothing. ``posts_ms`` and ``campaign_ms`` are times of posts that name no ticket.
    ``closed`` marks the minutes in which a rail pays nothing, ``deposits`` are cents into its hot wallet, ``blocks``
    the minute of each block of its chain (NEVER-like large ones at the end), ``refill_minutes`` how long each refill
    takes. ``exogenous`` has the lines of ``columns.EXOGENOUS_NAMES``. ``copy_times``, ``panic_times``, ``calm_times``
    are those of Poisson processes of rate 1, in units of their intensity (random time change: Kurtz 1980); ``marks``
    weigh posts, and who is frightened asks for ``panic_cents`` on ``panic_rail``.
    """

    requests: Ints
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

    @property
    def minutes(self) -> int:
        """Minutes of the run."""
        return self.requests.shape[2]

    @property
    def withdrawals(self) -> Ints:
        """Return the requests to withdraw by the minute, of all rails, before any is made again."""
        return self.requests[:, 0].sum(axis=0) + self.requests[:, 2].sum(axis=0)
