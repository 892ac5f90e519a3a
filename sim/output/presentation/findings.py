"""The findings of the figures, as sentences with numbers: the titles of the figures and the headlines of the report.

No matplotlib here, so that the report can say the same without drawing.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from sim.core.proven import PLURALS
from sim.experiment.analysis.estimate import Estimate
from sim.output.presentation.view import (
    Floats,
    View,
    coarse,
    day_text,
    estimate_text,
    figure_text,
    humane,
    percent,
    quantile_text,
)

DRAINED_TEXT = "Drained: after its peak, back within 1.25 times the highest backlog of the warm-up's second half."
_LARGE = 0.02


def peak_day(view: View, values: Floats) -> str:
    """Return the day of the peak: one day, or from when to when over the replications."""
    days = np.sort(np.argmax(np.nan_to_num(values, nan=-1.0), axis=1) // 24)
    low, high = (view.start + timedelta(days=int(day)) for day in (days[0], days[-1]))
    if low == high:
        return f"on {day_text(low)}"
    return f"between {low.day if low.month == high.month else day_text(low)} and {day_text(high)}"


def backlog(view: View) -> str:
    """Return how many tickets wait at the most, when, and which team takes longest to drain."""
    values = view.get("all", "n_backlog_waiting")
    if values is None:
        return "No backlog was recorded"
    most = estimate_text(view.metrics.get("backlog_waiting_peak"))
    text = f"Waiting tickets peak at {most} {peak_day(view, values)}"
    return text + (f"; {slowest}" if (slowest := slowest_team(view)) else "")


def slowest_team(view: View) -> str:
    """Return which large team takes longest to drain (``drain_days``), or which have not; nothing if none had to.

    Large: at its peak at least a fiftieth of all open tickets.
    """
    get, whole = view.metrics.get, view.metrics.get("backlog_peak")
    found = {team: get(f"drain_days.{team}") for team in view.entities("team", "n_backlog")}
    drains = {team: drain for team, drain in found.items() if drain and drain.mean and _is_large(view, team, whole)}
    if len(found) < 2 or not drains:
        return ""
    late = [team for team, drain in drains.items() if drain.censored == drain.total]
    if late:
        return f"{' and '.join(late)} {'has' if len(late) == 1 else 'have'} not drained by the end"
    team = max(drains, key=lambda name: drains[name].mean or 0.0)
    return f"{team} takes longest to drain: {estimate_text(drains[team])} days"


def _is_large(view: View, team: str, whole: Estimate | None) -> bool:
    own = view.metrics.get(f"backlog_peak.{team}")
    return bool(own and whole and (own.mean or 0.0) >= _LARGE * (whole.mean or 0.0))


def complaints(view: View) -> str:
    """Return the complaints a day, and how many of them come from waiting for agents."""
    get = view.metrics.get
    direct, background = get("complaints_direct_per_day"), get("complaints_background_per_day")
    reducible = get("complaints_reducible_per_day")
    if direct is None or direct.mean is None:
        return "No complaints were recorded"
    if not direct.mean and not (background and background.mean):
        return "No public complaints"
    total = direct.mean + ((background.mean or 0.0) if background else 0.0)
    text = f"{figure_text(total, direct.half_width)} public complaints a day on average"
    if view.middle == "median":
        text = f"{estimate_text(direct)} direct public complaints a day"
    return f"{text}; {estimate_text(reducible)} of them come from waiting for agents"


def waits(view: View) -> str:
    """Return the starting queue whose median wait misses its target most, in the hours in which it is known."""
    missed = {queue: missed_share(view, queue) for queue in view.entities("queue", "target_min")}
    known = {queue: share for queue, share in missed.items() if len(share)}
    if not known:
        return "First response: no queue has a target"
    queue, share = max(known.items(), key=lambda item: float(item[1].mean()))
    if not share.any():
        return "First response: the median wait meets its target in every hour"
    return f"First response: the median wait in {queue} is over its target in {view.share_text(share)} of the hours"


def missed_share(view: View, queue: str) -> Floats:
    """Return, by replication, the share of hours with a median wait over target, of those in which that is known.

    A median beyond the end is over the target once that has passed for all tickets of the hour.
    """
    wait, target = view.get(f"queue:{queue}", "wait_p50_min"), view.get(f"queue:{queue}", "target_min")
    if wait is None or target is None:
        return np.empty(0)
    left_min = 60.0 * np.arange(view.hours - 1, -1, -1)  # from the end of each hour to that of the run
    known = np.isfinite(wait) | (np.isposinf(wait) & (left_min >= target))
    some = known.any(axis=1)
    over = (known & (wait > target)).sum(axis=1)[some]
    return np.asarray(over / known.sum(axis=1)[some], dtype=np.float64)


def daily_load(view: View, team: str) -> Floats:
    """Return offered load / agents on duty of each day, by the middles over replications."""
    needed = view.centre(coarse(view.of(f"team:{team}", "agents_needed"), 24))
    there = view.centre(coarse(view.of(f"team:{team}", "agents_on_duty"), 24))
    nobody = np.where(needed > 0, np.inf, 0.0)
    return np.where(there > 0, needed / np.where(there > 0, there, 1.0), nobody)


def run_load(view: View, team: str) -> Floats:
    """Return offered load / agents on duty of the whole run, by replication; empty without agents on duty."""
    needed = view.of(f"team:{team}", "agents_needed").sum(axis=1)
    there = view.of(f"team:{team}", "agents_on_duty").sum(axis=1)
    return np.asarray(needed / there, dtype=np.float64) if there.all() else np.empty(0)


def staffing(view: View) -> str:
    """Return the team whose offered load exceeds the agents on duty most, and on which day."""
    teams = view.entities("team", "agents_needed")
    if not teams:
        return "No staff was recorded"
    worst = {team: daily_load(view, team) for team in teams}
    team = max(worst, key=lambda name: float(worst[name].max()))
    high, day = float(worst[team].max()), view.start + timedelta(days=int(worst[team].argmax()))
    if not np.isfinite(high):
        return f"Staff falls short most at {team}: on {day_text(day)} there is work and no agent on duty"
    load = f"on {day_text(day)} its offered load is {percent(high)} of the agents on duty"
    if high > 1:
        return f"Staff falls short most at {team}: {load}"
    return f"On every day as a whole each team has more agents than work; the tightest is {team}: {load}"


def endpoints(view: View) -> str:
    """Return the peak rate of all endpoints together, for the load test."""
    peak = view.metrics.get("requests_peak_per_s")
    if peak is None or peak.mean is None:
        return "No requests were recorded"
    text = f"The busiest minute brings {estimate_text(peak)} requests/s"
    if view.replications == 1:
        return text
    return f"{text}; test with {quantile_text(peak.p95, peak.half_width)}, which 95 % of the replications stay below"


def active_endpoints(view: View) -> list[str]:
    """Return the endpoints that get any request."""
    there = view.entities("endpoint", "rate_per_s")
    found = [name for name in PLURALS if name in there]
    return [name for name in found if float(np.nansum(view.of(f"endpoint:{name}", "rate_per_s"))) > 0]


def endpoint_peaks(view: View, endpoint: str) -> Floats:
    """Return the rate of an endpoint's busiest minute, requests/s, by replication."""
    return np.asarray(view.of(f"endpoint:{endpoint}", "peak_per_s").max(axis=1), dtype=np.float64)


def endpoint_peak(view: View, endpoint: str) -> str:
    """Return the rate of an endpoint's busiest minute over the replications, as text."""
    return view.spread_text(endpoint_peaks(view, endpoint))


def demand(view: View) -> str:
    """Return the busiest hour's tickets, and how far the price falls, if it does."""
    text = f"Demand: up to {view.spread_text(view.of('all', 'new_tickets').max(axis=1))} tickets opened in an hour"
    price = view.get("all", "price_index")
    if price is None:
        return text
    path = view.centre(price)
    fall = float((1 - path / np.maximum.accumulate(path)).max())
    return f"{text}; the price falls by {percent(fall)}" if fall >= 0.01 else text


def drained(view: View) -> str:
    """Return how long the backlog takes to drain and in how many replications it does not; "" if that is not known."""
    drain = view.metrics.get("drain_days")
    if drain is None or view.scenario.warmup_days < 2:
        return ""
    if drain.censored == drain.total:
        return "The backlog does not drain before the end in any replication"
    text = f"The backlog needs {estimate_text(drain)} days from its peak to drain"
    if not drain.censored:
        return text
    return f"{text}; in {drain.censored} of {drain.total} replications it has not drained by the end"


def headlines(view: View) -> list[str]:
    """Return the course of the run, in sentences with numbers and their uncertainty."""
    get = view.metrics.get
    found = [
        f"{estimate_text(get('tickets_new_per_day'))} tickets a day are opened; the bot ends "
        f"{estimate_text(get('tickets_bot_per_day'))} of them and people handle "
        f"{estimate_text(get('tickets_human_per_day'))}.",
        f"{backlog(view)}.",
        *([f"{drain}."] if (drain := drained(view)) else []),
        f"{staffing(view)}.",
    ]
    if (within := get("within_target_share")) is not None and within.mean is not None:
        found.append(f"{humane(within)} {within.unit} get their first answer in time. {waits(view)}.")
    found.append(f"{complaints(view)}.")
    if active_endpoints(view):
        found.append(f"{endpoints(view)}.")
    if (late := get("withdrawals_late_peak")) is not None and late.mean:
        found.append(f"At the worst moment {estimate_text(late)} withdrawals are later than promised.")
    if (short := get("wallet_short_hours")) is not None and short.mean:
        found.append(f"For {estimate_text(short)} h a hot wallet holds less than the first in line asks for.")
    if (cost := get("agent_cost_per_day")) is not None and cost.mean:
        found.append(f"The agents cost {estimate_text(cost)} US dollars a day.")
    return found


def complaints_in_words(view: View) -> list[str]:
    """Return what the complaints consist of, and the share of people without one by each denominator."""
    get, found = view.metrics.get, []
    without, background = get("complaints_without_waits_per_day"), get("complaints_background_per_day")
    if without is not None and background is not None:
        found.append(
            f"Without waits: {estimate_text(without)} a day. That is what remained of them, had no ticket of this run "
            f"waited for an agent, {estimate_text(background)} posts that name no ticket included. A staffing plan "
            "goes below it only where fewer complaints mean less rumour, and so fewer tickets."
        )
    if (reducible := get("complaints_reducible_per_day")) is not None:
        found.append(f"Reducible: {estimate_text(reducible)} a day come from waiting for agents.")
    for name in ("unharmed_share_of_registered", "unharmed_share_of_active", "unharmed_share_of_tickets"):
        if (share := get(name)) is not None and share.mean is not None:
            found.append(f"{humane(share)} {share.unit} make no direct public complaint on a day.")
    return found
