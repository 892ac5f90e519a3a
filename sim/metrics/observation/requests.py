"""Requests to each endpoint in one replication, minute by minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Ints
from sim.core.clock import DAY_MS, MINUTE_MS
from sim.core.tables import ENDPOINTS
from sim.demand import logins, onboarding, per_minute
from sim.demand.requests import MINUTE_STRIDE
from sim.feedback.columns import ADMITTED_SIGNUP, N_OPEN, REQUESTS
from sim.numerics.poisson import poisson_count

if TYPE_CHECKING:
    from sim.metrics.observation.replication import Observation


def requests_of(observed: Observation) -> dict[str, Ints]:
    """Return by endpoint the requests of each minute of the run."""
    scenario, parameters = observed.model.scenario, observed.model.parameters
    minutes, state = observed.to_ms // MINUTE_MS, observed.outcome.feedback_ints
    out = dict.fromkeys(ENDPOINTS, np.zeros(minutes, dtype=np.int64))
    out["withdrawal"] = _withdrawal_requests(observed)
    out["ticket"] = observed.counted.opened_by_minute
    if observed.demand.spam_ms.size:
        out["ticket"] = out["ticket"] + per_minute(observed.demand.spam_ms, minutes * MINUTE_MS // DAY_MS)
    if scenario.population and scenario.population.logins_per_mau_day:
        out["login"] = logins(observed.expected_demand, observed.streams)
    out |= _onboarding(observed)
    if scenario.mfa:
        again = scenario.mfa.failure_share / (1 - scenario.mfa.failure_share)
        out["mfa"] = out["withdrawal"] + _counts(observed, out["withdrawal"] * again, "codes entered again")
    if readers := scenario.readers:
        views = observed.open_tickets.by_minute(0, minutes) * (MINUTE_MS / readers.view_every)
        out["ticket_view"] = _counts(observed, views, "views")
        if parameters and scenario.withdrawals:
            polls = state[N_OPEN] * (readers.poll_share * MINUTE_MS / readers.poll_every)
            out["withdrawal_status"] = _counts(observed, polls, "polls")
    return out


def made_up(observed: Observation) -> Ints:
    """Return by the minute the requests to withdraw that a closure had shut out: of those drawn, whose mark says so."""
    share, drawn = observed.expected_demand.withdrawals.deferred, observed.demand.inputs.withdrawals
    minute = np.flatnonzero(share)
    counts = drawn[minute]
    position = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    marks = observed.streams.uniforms("withdrawal", "deferred", np.repeat(minute, counts) * MINUTE_STRIDE + position)
    return np.bincount(np.repeat(minute, counts)[marks < np.repeat(share[minute], counts)], minlength=len(drawn))


def _withdrawal_requests(observed: Observation) -> Ints:
    """Return the requests to withdraw of each minute: those that the next tick took, and of the last those drawn."""
    drawn = observed.demand.inputs.withdrawals
    if not observed.model.parameters:
        return drawn
    return np.append(observed.outcome.feedback_ints[REQUESTS, 1:], drawn[-1:])


def _onboarding(observed: Observation) -> dict[str, Ints]:
    """Return the newcomers' requests by the minute; the documents that people review are those of the tasks."""
    newcomers = observed.model.scenario.newcomers
    trusting = observed.outcome.feedback_floats[ADMITTED_SIGNUP] if newcomers and newcomers.trust_weight else 1.0
    out = onboarding(observed.expected_demand, observed.streams, trusting)
    if newcomers and newcomers.review_category:
        reviewed = observed.tasks(newcomers.review_category).begin_ms
        sent = np.bincount(reviewed[reviewed < observed.to_ms] // MINUTE_MS, minlength=observed.to_ms // MINUTE_MS)
        out["kyc"] = out["kyc"] + sent
    return out


def _counts(observed: Observation, expected: NDArray[np.floating], purpose: str) -> Ints:
    return poisson_count(expected, observed.streams.uniforms("", purpose, np.arange(len(expected))))
