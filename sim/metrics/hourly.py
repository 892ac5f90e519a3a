"""The hourly series of a run: the long table behind every plot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.core.clock import HOUR_MS, MINUTE_MS
from sim.feedback.columns import (
    COPIES,
    ERROR_SHARE,
    HOT_C,
    N_LATE,
    N_OPEN,
    PAID_C,
    RUMOUR,
    SPREADERS,
    TIGHTNESS,
    TRUST,
)
from sim.metrics.observation.counts import BOT, COMPLAINT, HUMAN, UNLIMITED, by_hour
from sim.metrics.observation.replication import Observation
from sim.metrics.observation.waits import SHARES, UNANSWERED
from sim.numerics.survival import NOT_REACHED

Floats = NDArray[np.floating]
Series = dict[tuple[str, str], Floats]

SERIES_NAMES = {
    "new_tickets": ("tickets/h", "root tickets opened"),
    "new_human": ("tickets/h", "root tickets opened that people handle"),
    "n_backlog": ("tickets", "open at the hour's end: the sum of the next four; by team waiting or in hand"),
    "n_backlog_waiting": ("tickets", "those that wait for agents"),
    "n_backlog_in_hand": ("tickets", "those in agents' hands"),
    "n_backlog_with_customer": ("tickets", "those that wait for the customer's proof"),
    "n_backlog_with_others": ("tickets", "those that a third party, a chain or the law holds"),
    "new_complaints": ("complaints/h", "direct public complaints"),
    "new_complaints_without_waits": (
        "complaints/h",
        "direct ones of the same tickets, had none waited for an agent",
    ),
    "new_posts": ("posts/h", "public posts that name no ticket"),
    "new_campaign_posts": ("posts/h", "those of campaigns among them"),
    "new_copies": ("posts/h", "copies of other posts"),
    "trust": ("of full trust", "trust at the hour's end"),
    "n_spreaders": ("depositors", "frightened depositors who frighten others, at the hour's end"),
    "agents_on_duty": ("agents", "mean over the hour"),
    "agents_needed": ("agents", "work that arrived in the hour, in agents with all hands full"),
    "wait_p50_min": (
        "min",
        "median wait for the first response of tickets opened in the hour; null where none was opened, infinite where "
        "fewer than half were answered before the end",
    ),
    "wait_p90_min": ("min", "90 % quantile of the same; infinite where fewer than 90 % were"),
    "target_min": ("min", "first-response target"),
    "rate_per_s": ("requests/s", "mean over the hour"),
    "peak_per_s": ("requests/s", "busiest minute of the hour"),
    "n_withdrawals_open": ("withdrawals", "in review, held, waiting for payout or not final at the hour's end"),
    "n_withdrawals_late": ("withdrawals", "not final for as long as was promised since accepted, at the hour's end"),
    "outflow_usd": ("US dollars/h", "money paid out"),
    "hot_share": ("of what it should hold", "money in an asset's hot wallet at the hour's end"),
    "error_share": ("of the requests", "share that the gateway fails, mean over the hour"),
    "tightness": ("of the accounts", "share under tightened limits, mean over the hour"),
    "rumour": ("complaints", "rumour level at the hour's end"),
    "price_index": ("price / price at the start", "market price at the hour's beginning"),
    "volatility": ("of the ordinary", "realised volatility known at the hour's beginning"),
    "new_signups": ("sign-ups/h", "new customers"),
    "n_kyc_reviews": ("cases", "documents sent and not yet judged by a person, at the hour's end"),
}
"""Name of each series: unit and meaning."""


def hourly(observed: Observation) -> Series:
    """Return every series of one replication: one float64 for each measured hour, by (entity, name).

    The keys are the model's, the same for all of its replications; NaN is what does not exist, and infinite a wait that
    lies beyond the horizon.
    """
    counted = observed.counted.by_hour
    new_tickets, human = (counted[HUMAN] + counted[BOT]).astype(np.float64), counted[HUMAN].astype(np.float64)
    out: Series = dict(observed.measurement.series)
    out["all", "new_tickets"] = new_tickets.sum(axis=0)
    out["all", "new_human"] = human.sum(axis=0)
    _backlog(observed, out)
    out["all", "new_complaints"] = counted[COMPLAINT].sum(axis=0).astype(np.float64)
    out["all", "new_complaints_without_waits"] = counted[UNLIMITED].sum(axis=0).astype(np.float64)
    inputs = observed.demand.inputs
    out["all", "new_posts"] = _posts(observed, inputs.posts_ms, inputs.campaign_ms)
    if observed.model.scenario.campaigns:
        out["all", "new_campaign_posts"] = _posts(observed, inputs.campaign_ms)
    for number, name in enumerate(observed.demand.categories):
        out[f"category:{name}", "new_tickets"] = new_tickets[number]
        out[f"category:{name}", "new_human"] = human[number]
    for number, name in enumerate(observed.desk.teams):
        out[f"team:{name}", "agents_needed"] = observed.worked.agents_needed[number]
    _waits(observed, out)
    _endpoints(observed, out)
    _feedback(observed, out)
    _market(observed, out)
    return out


def _backlog(observed: Observation, out: Series) -> None:
    """Write what is open, and by whose turn it is."""
    stocks, spans = observed.stocks, observed.spans
    in_hand = np.zeros(observed.measurement.hours)
    for name, waiting in zip(observed.desk.teams, stocks.waiting_by_team, strict=True):
        out[f"team:{name}", "n_backlog"] = spans[name].hourly.astype(np.float64)
        out[f"team:{name}", "n_backlog_waiting"] = waiting.hourly.astype(np.float64)
        in_hand += spans[name].hourly - waiting.hourly
    out["all", "n_backlog"] = spans[""].hourly.astype(np.float64)
    out["all", "n_backlog_waiting"] = stocks.waiting.hourly.astype(np.float64)
    out["all", "n_backlog_in_hand"] = in_hand
    out["all", "n_backlog_with_customer"] = stocks.with_customer.hourly.astype(np.float64)
    out["all", "n_backlog_with_others"] = stocks.with_others.hourly.astype(np.float64)


def _posts(observed: Observation, *times: NDArray[np.int64]) -> Floats:
    posts = np.concatenate(times)
    hours = (posts[observed.measured(posts)] - observed.from_ms) // HOUR_MS
    return np.bincount(hours, minlength=observed.measurement.hours).astype(np.float64)


def _waits(observed: Observation, out: Series) -> None:
    """Write the wait for the first response by the queue that a ticket started in.

    NaN where no ticket was opened, infinite where too few were answered before the end.
    """
    for number in observed.measurement.first_queues:
        for column, p in enumerate(SHARES):
            wait_ms = observed.waits.by_hour_ms[number, :, column]
            wait_min = np.where(wait_ms == NOT_REACHED, np.nan, wait_ms / MINUTE_MS)
            wait_min[wait_ms == UNANSWERED] = np.inf
            out[f"queue:{observed.desk.queues[number]}", f"wait_p{p * 100:.0f}_min"] = wait_min


def _endpoints(observed: Observation, out: Series) -> None:
    for name in observed.endpoints:
        total, busiest = by_hour(observed.measured_requests[name])
        out[f"endpoint:{name}", "rate_per_s"] = total / 3600
        out[f"endpoint:{name}", "peak_per_s"] = busiest / 60


def _feedback(observed: Observation, out: Series) -> None:
    ints, floats = observed.outcome.feedback_ints, observed.outcome.feedback_floats
    if observed.model.parameters is None:
        return
    ends = slice(observed.from_ms // MINUTE_MS + 59, None, 60)
    scenario, first = observed.model.scenario, observed.from_ms // MINUTE_MS
    if scenario.withdrawals:
        out["all", "n_withdrawals_open"] = ints[N_OPEN][ends].astype(np.float64)
        out["all", "n_withdrawals_late"] = ints[N_LATE][ends].astype(np.float64)
        _money(observed, out, ends)
    if scenario.rumour:
        out["all", "rumour"] = floats[RUMOUR][ends].copy()
    if scenario.copies:
        out["all", "new_copies"] = by_hour(ints[COPIES, first:])[0].astype(np.float64)
    if scenario.trust:
        out["all", "trust"] = floats[TRUST][ends].copy()
    if scenario.run:
        out["all", "n_spreaders"] = ints[SPREADERS][ends].astype(np.float64)


def _money(observed: Observation, out: Series, ends: slice) -> None:
    """Write what was paid, what the hot wallets hold, and what gateway and limits refuse."""
    scenario, parameters, rails = observed.model.scenario, observed.model.parameters, observed.outcome.feedback_rails
    floats, first = observed.outcome.feedback_floats, observed.from_ms // MINUTE_MS
    assert scenario.withdrawals is not None
    assert parameters is not None
    paid = rails[:, PAID_C].sum(axis=0)
    before = paid[first - 1] if first else 0
    out["all", "outflow_usd"] = np.diff(paid[ends], prepend=before) / 100
    for rail, name in enumerate(scenario.withdrawals.assets):
        own = scenario.withdrawals.rails.get(name)
        if own and own.wallet:
            out[f"asset:{name}", "hot_share"] = rails[rail, HOT_C][ends] / parameters.rails[rail].target_cents
    for column, name, there in (
        (ERROR_SHARE, "error_share", scenario.gateway),
        (TIGHTNESS, "tightness", scenario.withdrawals.limits),
    ):
        if there:
            out["all", name] = floats[column, first:].reshape(-1, 60).mean(axis=1)


def _market(observed: Observation, out: Series) -> None:
    """Write the market of this replication, and the newcomers that it brings."""
    market, newcomers = observed.expected_demand.market, observed.model.scenario.newcomers
    measured = slice(observed.from_ms // HOUR_MS, None)
    out["all", "price_index"] = market.price[measured]
    if market.volatility is not None:
        out["all", "volatility"] = market.volatility[measured]
    if newcomers:
        out["all", "new_signups"] = by_hour(observed.measured_requests["signup"])[0].astype(np.float64)
        if newcomers.review_category:
            reviews = observed.tasks(newcomers.review_category).within(observed.from_ms, observed.to_ms)
            out["all", "n_kyc_reviews"] = reviews.hourly.astype(np.float64)
