"""What a run looked like hour by hour: the long table behind every plot."""

from __future__ import annotations

from datetime import UTC, datetime, time

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sim.clock import HOUR_MS, MINUTE_MS, NEVER
from sim.facts import Facts
from sim.levels import N_LATE, RUMOUR, waiting_and_confirming
from sim.scenario.model import Scenario

Floats = NDArray[np.floating]
Series = dict[tuple[str, str], Floats]

SERIES_NAMES = {
    "new_tickets": ("tickets/h", "root tickets opened"),
    "new_human": ("tickets/h", "root tickets opened that people handle"),
    "n_backlog": ("tickets", "open at the hour's end; by team waiting or in hand"),
    "new_complaints": ("complaints/h", "direct public complaints"),
    "new_complaints_floor": ("complaints/h", "direct public complaints with unlimited agents"),
    "new_posts": ("posts/h", "public posts that name no ticket"),
    "agents_on_duty": ("agents", "mean over the hour"),
    "agents_needed": ("agents", "work that arrived in the hour, in agents with all hands full"),
    "wait_p50_min": ("min", "median wait for the first response of tickets opened in the hour"),
    "wait_p90_min": ("min", "90 % quantile of the same"),
    "target_min": ("min", "first-response target"),
    "rate_per_s": ("requests/s", "mean over the hour"),
    "peak_per_s": ("requests/s", "busiest minute of the hour"),
    "n_withdrawals_open": ("withdrawals", "in review or waiting for payout at the hour's end"),
    "n_withdrawals_late": ("withdrawals", "waiting for longer than promised, at the hour's end"),
    "rumour": ("complaints", "rumour level at the hour's end"),
    "price_index": ("price / price at the start", "market price at the hour's beginning"),
}
"""Name of each series: unit and meaning."""


def hourly(facts: Facts) -> Series:
    """Return every series of one replication: one float64 for each measured hour, by (entity, name)."""
    out: Series = {}
    first = facts.from_ms // HOUR_MS
    hours = facts.to_ms // HOUR_MS - first
    ends = facts.from_ms + (np.arange(hours) + 1) * HOUR_MS - 1

    def flow(times_ms: NDArray[np.int64]) -> Floats:
        inside = times_ms[facts.measured(times_ms)]
        return np.bincount(inside // HOUR_MS - first, minlength=hours).astype(np.float64)

    opened = facts.outcome.opened_ms
    out["all", "new_tickets"] = flow(facts.ticket_opened_ms)
    out["all", "new_human"] = flow(opened[facts.human])
    out["all", "n_backlog"] = facts.backlog.at(ends).astype(np.float64)
    out["all", "new_complaints"] = flow(facts.complaint_ms)
    out["all", "new_complaints_floor"] = flow(facts.floor_ms)
    out["all", "new_posts"] = flow(facts.demand.flow.posts_ms)
    out["all", "price_index"] = facts.world.market.price[first:]
    for number, name in enumerate(facts.demand.categories):
        human = facts.human & (facts.demand.category == number)
        out[f"category:{name}", "new_tickets"] = flow(opened[human]) + flow(facts.bot_opened_ms[number])
        out[f"category:{name}", "new_human"] = flow(opened[human])
    _teams(facts, ends, first, out)
    _waits(facts, first, hours, out)
    _endpoints(facts, hours, out)
    _levels(facts, ends, out)
    return out


def _teams(facts: Facts, ends: NDArray[np.int64], first: int, out: Series) -> None:
    entered = facts.outcome.leg_entered_ms
    measured = facts.measured(entered)
    for team, name in enumerate(facts.desk.teams):
        out[f"team:{name}", "n_backlog"] = facts.team_backlog(team).at(ends).astype(np.float64)
        held = facts.desk.concurrency[team]
        mine = measured & (facts.leg_home == team)
        share_of_agent = facts.desk.stretch_permille[team][-1] / 1000 / held / HOUR_MS
        work = np.bincount(
            entered[mine] // HOUR_MS - first, weights=facts.demand.leg_handle_ms[mine], minlength=len(ends)
        )
        out[f"team:{name}", "agents_needed"] = work * share_of_agent
        times, slots = facts.desk.slots()[team]
        out[f"team:{name}", "agents_on_duty"] = _hourly_mean(times, slots / held, ends + 1)


def _hourly_mean(times: NDArray[np.int64], values: Floats, ends: NDArray[np.int64]) -> Floats:
    """Return the mean of a step function over the hour before each end."""
    at = np.append(times, ends[-1] + HOUR_MS).astype(np.float64)
    area = np.concatenate([[0.0], np.cumsum(np.diff(at) * values)])
    return (np.interp(ends, at, area) - np.interp(ends - HOUR_MS, at, area)) / HOUR_MS


def _waits(facts: Facts, first: int, hours: int, out: Series) -> None:
    """Write the wait for the first response by the queue that a ticket started in; NaN where it is not known."""
    outcome, rows = facts.outcome, np.flatnonzero(facts.human)
    queue = facts.demand.leg_queue[facts.demand.legs_from[rows]]
    hour = outcome.opened_ms[rows] // HOUR_MS - first
    answered = outcome.first_start_ms[rows] < NEVER
    wait = np.where(answered, outcome.first_start_ms[rows] - outcome.opened_ms[rows], np.inf) / MINUTE_MS
    for number, name in enumerate(facts.desk.queues):
        mine = queue == number
        if not mine.any():
            continue
        order = np.lexsort((wait[mine], hour[mine]))
        sorted_wait = wait[mine][order]
        bounds = np.searchsorted(hour[mine][order], np.arange(hours + 1))
        for p, label in ((0.5, "wait_p50_min"), (0.9, "wait_p90_min")):
            out[f"queue:{name}", label] = _grouped_quantile(sorted_wait, bounds, p)
        target = facts.world.scenario.queues[name].target if name in facts.world.scenario.queues else None
        if target is not None:
            out[f"queue:{name}", "target_min"] = np.full(hours, target / MINUTE_MS)


def _grouped_quantile(values: Floats, bounds: NDArray[np.int64], p: float) -> Floats:
    """Return the least value with at least a share p of its group at or below it; NaN if unknown or no group."""
    count = np.diff(bounds)
    at = bounds[:-1] + np.maximum(np.ceil(p * count).astype(np.int64) - 1, 0)
    out = np.full(len(count), np.nan)
    out[count > 0] = values[at[count > 0]]
    return np.where(np.isinf(out), np.nan, out)


def _endpoints(facts: Facts, hours: int, out: Series) -> None:
    for name, counts in facts.measured_requests.items():
        by_hour = counts.reshape(hours, 60)
        out[f"endpoint:{name}", "rate_per_s"] = by_hour.sum(axis=1) / 3600
        out[f"endpoint:{name}", "peak_per_s"] = by_hour.max(axis=1) / 60


def _levels(facts: Facts, ends: NDArray[np.int64], out: Series) -> None:
    ints, floats = facts.outcome.level_ints, facts.outcome.level_floats
    if facts.world.rules is None:
        return
    minutes = ends // MINUTE_MS
    if facts.world.scenario.withdrawals:
        waiting, _ = waiting_and_confirming(ints, facts.world.rules)
        out["all", "n_withdrawals_open"] = waiting[minutes].astype(np.float64)
        out["all", "n_withdrawals_late"] = ints[N_LATE][minutes].astype(np.float64)
    if facts.world.scenario.rumour:
        out["all", "rumour"] = floats[RUMOUR][minutes]


def frame(scenario: Scenario, replications: list[tuple[int, Series]]) -> pl.DataFrame:
    """Return the long table of ``sim.tables.SERIES``; NaN becomes null."""
    begin = datetime.combine(scenario.start, time(), UTC).timestamp() * 1000 + scenario.warmup_days * 24 * HOUR_MS
    frames = []
    for number, series in replications:
        for (entity, name), values in series.items():
            times = (begin + np.arange(len(values)) * HOUR_MS).astype("datetime64[ms]")
            frames.append(_block(number, times, (entity, name), values))
    return pl.concat(frames)


def _block(number: int, times: NDArray[np.datetime64], key: tuple[str, str], values: Floats) -> pl.DataFrame:
    columns = {"time": times, "value": values}
    return pl.DataFrame(columns).select(
        pl.lit(number, pl.Int32).alias("replication"),
        pl.col("time").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"),
        pl.lit(key[0]).alias("entity"),
        pl.lit(key[1]).alias("name"),
        pl.col("value").fill_nan(None),
    )
