"""The findings of the figures, as sentences with numbers: the titles of the figures and the headlines of the report.

Every number in them is a metric. No matplotlib here, so that the report can say the same without drawing.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from sim.core.digits import two_digits
from sim.core.proven import PLURALS
from sim.experiment.analysis.estimate import Estimate
from sim.experiment.analysis.headline import HEADLINE
from sim.experiment.analysis.outcomes import Outcome
from sim.experiment.analysis.words import futures, span, tell, two_kinds, typical
from sim.metrics.registry import metric_of
from sim.numerics.outcomes import probability_interval
from sim.output.presentation.view import Floats, View, day_text
from sim.scenario.schema.expectation import is_outcome, outcome_of

DRAINED_TEXT = "Drained: after its peak, back within 1.25 times the highest backlog of the warm-up's second half."
_LARGE = 0.02
_NOTHING = 0.01
_SEVERAL = 3


def peak_day(view: View, values: Floats) -> str:
    """Return the day of the peak: one day, or from when to when over the replications."""
    days = np.sort(np.argmax(np.nan_to_num(values, nan=-1.0), axis=1) // 24)
    low, high = (view.start + timedelta(days=int(day)) for day in (days[0], days[-1]))
    if low == high:
        return f"on {day_text(low)}"
    return f"between {low.day if low.month == high.month else day_text(low)} and {day_text(high)}"


def backlog_peak(view: View) -> str:
    """Return how many tickets wait at the most, and when."""
    values = view.get("all", "n_backlog_waiting")
    if values is None:
        return "No backlog was recorded"
    return f"Waiting tickets peak at {view.told('backlog_waiting_peak')}, {peak_day(view, values)}"


def backlog(view: View) -> str:
    """Return the same, and which team takes longest to drain."""
    return "; ".join(text for text in (backlog_peak(view), slowest_team(view)) if text)


def slowest_team(view: View) -> str:
    """Return which large team takes longest to drain (``drain_days``), or which have not; nothing if none had to.

    Large: at its peak at least a fiftieth of all open tickets.
    """
    get, whole = view.metrics.get, view.metrics.get("backlog_peak")
    found = {team: get(f"drain_days.{team}") for team in view.entities("team", "n_backlog")}
    drains = {team: drain for team, drain in found.items() if drain and drain.mean and _is_large(view, team, whole)}
    if len(found) < 2 or not drains:
        return ""
    late = [view.label("team", team) for team, drain in drains.items() if drain.censored == drain.total]
    if late:
        return f"{' and '.join(late)} {'has' if len(late) == 1 else 'have'} not drained by the end"
    team = max(drains, key=lambda name: drains[name].mean or 0.0)
    return f"{view.label('team', team)} takes longest to drain: {_drains(drains[team], view.many)}"


def _is_large(view: View, team: str, whole: Estimate | None) -> bool:
    own = view.metrics.get(f"backlog_peak.{team}")
    return bool(own and whole and (own.mean or 0.0) >= _LARGE * (whole.mean or 0.0))


def _drains(drain: Estimate, many: str) -> str:
    """Return how long it takes to drain, or in how many replications the backlog stays calm, drains, and does not."""
    if not drain.outcomes:
        return futures(drain, many)
    told = {"none": "it never rises above calm", "beyond": "it has not drained by the end"}
    parts = [
        f"in {one.replications} {told.get(one.kind) or 'it drains in ' + _in_words(drain, one)}"
        for one in drain.outcomes
    ]
    return f"of {drain.replications} replications, {', '.join(parts)}"


def _in_words(one: Estimate, kind: Outcome) -> str:
    return span(one, kind.p05, kind.p50, kind.p95)


def complaints(view: View) -> str:
    """Return the public complaints a day, and what share of them comes from waiting for agents."""
    whole = view.metrics.get("complaints_per_day")
    if whole is None or whole.mean is None:
        return "No complaints were recorded"
    if not whole.mean:
        return "No public complaints"
    text = f"Public complaints a day: {futures(whole, view.many)}"
    return f"{text}; {part_text(view, 'complaints_reducible_per_day', whole)} come from waiting for agents"


def part_text(view: View, name: str, whole: Estimate) -> str:
    """Return a metric as a share of its whole, "73 % of them"; in a run of two kinds that of each."""
    shares = _shares(view, name, whole)
    return f"{' or '.join(f'{share} %' for share in shares)} of them" if any(shares) else "next to none of them"


def _shares(view: View, name: str, whole: Estimate) -> list[int]:
    """Return the mean of a metric in per cent of that of its whole: such shares add up, as medians do not.

    In a run of two kinds the medians of each kind stand for the means, of which there is none that is typical.
    """
    part = view.metrics.get(name)
    return [min(max(round(100 * share), 0), 100) for share in (shares_of(part, whole) if part else [0.0])]


def shares_of(part: Estimate, whole: Estimate) -> list[float]:
    """Return a part as a share of its whole, of the means, which add up; in a run of two kinds of the medians of each.

    Nothing where there is no whole.
    """
    if not two_kinds(part) and not two_kinds(whole):
        pairs = [(part.mean or 0.0, whole.mean or 0.0)]
    else:
        of, wholes = ([each.p50 for each in one.outcomes] or [one.p50 or 0.0] * 2 for one in (part, whole))
        pairs = list(zip(of, wholes, strict=True))
    return [a / b for a, b in pairs if b]


def waits(view: View) -> str:
    """Return the starting queue whose median wait misses its target most, in the hours in which it is known."""
    shares = {queue: view.metrics.get(f"wait_over_target_share.{queue}") for queue in _queues(view)}
    known = {queue: one for queue, one in shares.items() if one is not None and one.mean is not None}
    if not known:
        return "First response: no queue has a target"
    queue, share = max(known.items(), key=lambda item: item[1].mean or 0.0)
    if not share.mean:
        return "First response: the median wait meets its target in every hour"
    name = view.label("queue", queue)
    return f"First response: the median wait in {name} is over its target in {typical(share)} of the hours"


def _queues(view: View) -> list[str]:
    return view.entities("queue", "target_min")


def worst_day(view: View, team: str) -> str:
    """Return the day on which a team's offered load exceeds its agents on duty most, by the means of replications."""
    needed, there = (
        view.of(f"team:{team}", name).reshape(view.replications, -1, 24).sum(axis=(0, 2))
        for name in ("agents_needed", "agents_on_duty")
    )
    load = np.where(there > 0, needed / np.where(there > 0, there, 1.0), np.where(needed > 0, np.inf, 0.0))
    return day_text(view.start + timedelta(days=int(load.argmax())))


def staffing(view: View) -> str:
    """Return the team whose offered load exceeds the agents on duty most, and on which day."""
    teams = view.entities("team", "agents_needed")
    if not teams:
        return "No staff was recorded"
    loads = {team: view.metrics.get(f"load_peak_day.{team}") for team in teams}
    alone = [team for team, load in loads.items() if load is None or load.mean is None]
    if alone:
        where = f"Staff falls short most at {view.label('team', alone[0])}"
        return f"{where}: on {worst_day(view, alone[0])} there is work and no agent on duty"
    team = max(teams, key=lambda name: ((one := loads[name]) and one.mean) or 0.0)
    most = loads[team]
    assert most is not None
    load = f"on {worst_day(view, team)} its offered load is {typical(most)} of the agents on duty"
    if (most.p50 or 0.0) > 1:
        return f"Staff falls short most at {view.label('team', team)}: {load}"
    return (
        f"On every day as a whole each team has more agents than work; the tightest is {view.label('team', team)}: "
        f"{load}"
    )


def endpoints(view: View) -> str:
    """Return the peak rate of all endpoints together, for the load test."""
    peak = view.metrics.get("requests_peak_per_s")
    if peak is None or peak.p95 is None:
        return "No requests were recorded"
    text = f"The busiest minute brings {futures(peak, view.many)} requests/s"
    if view.replications == 1:
        return text
    return f"{text}; test with {upper(peak)}, which 95 % of the replications stay below"


def upper(one: Estimate) -> str:
    """Return the 95 % quantile alone, without a unit."""
    if one.p05 is None or one.p95 is None:
        return "–"
    return tell(one.unit, [one.p95])[0]


def active_endpoints(view: View) -> list[str]:
    """Return the endpoints that get requests, in a fixed order."""
    there = view.entities("endpoint", "rate_per_s")
    return [name for name in PLURALS if name in there and view.of(f"endpoint:{name}", "rate_per_s").any()]


def demand(view: View) -> str:
    """Return the busiest hour's tickets, and how far the price falls, if it does."""
    text = f"The busiest hour opens {view.told('tickets_peak_hour')} tickets"
    price = view.metrics.get("price_low")
    if price is None or price.p50 is None or price.p50 > 0.99:
        return text
    return f"{text}; the price falls by {two_digits(100 * (1 - price.p50))} %"


def drained(view: View) -> str:
    """Return how long the backlog takes to drain and in how many replications it does not; "" if that is not known."""
    drain = view.metrics.get("drain_days")
    if drain is None or drain.mean is None or view.scenario.warmup_days < 2:
        return ""
    if drain.censored == drain.total:
        return "The backlog does not drain before the end in any replication"
    if drain.outcomes:
        return f"The backlog: {_drains(drain, view.many)}"
    if not drain.mean:
        return "The backlog never rises above calm, so there is nothing to drain"
    return f"The backlog drains from its peak in {futures(drain, view.many)}"


def split(view: View) -> str:
    """Return the separate outcomes of the run, with the probability of the last; "" where all runs are of one kind.

    They are told by the metric of the outcome that the scenario expects, or else by the first headline metric that is
    of two kinds, if others are too: one alone may be by chance.
    """
    named = [outcome_of(name)[0] for name in view.scenario.expect if is_outcome(name)]
    split = [name for name in (*named, *HEADLINE) if (one := view.metrics.get(name)) and two_kinds(one)]
    if not split or (split[0] not in named and len(split) < _SEVERAL):
        return ""
    name = split[0]
    one = view.metrics[name]
    low, high = one.outcomes
    of, what = one.replications, metric_of(name).meaning
    least, most = probability_interval(high.replications, of)
    nothing = abs(low.p95) <= _NOTHING * abs(high.p50)
    first = "nothing of it happens" if nothing else _in_words(one, low)
    last = f"{_in_words(one, high)}{'' if one.unit.startswith('of ') else ':'} {what}"
    odds = f"{two_digits(100 * least)} to {two_digits(100 * most)} %"
    return (
        f"Two kinds of future: in {low.replications} of {of} {first}; in {high.replications}, {last}. The second kind "
        f"has a probability of {odds}"
    )


def headlines(view: View) -> list[str]:
    """Return the course of the run, in sentences with numbers: what the futures are like."""
    found = [
        *([f"{kinds}."] if (kinds := split(view)) else []),
        f"Tickets opened a day: {view.told('tickets_new_per_day')}; {_handled(view)}.",
        f"{backlog(view)}.",
        *([f"{drain}."] if (drain := drained(view)) else []),
        f"{staffing(view)}.",
    ]
    if (within := view.metrics.get("within_target_share")) is not None and within.mean is not None:
        found.append(f"First answer in time: {futures(within, view.many)} {within.unit}. {waits(view)}.")
    found.append(f"{complaints(view)}.")
    if active_endpoints(view):
        found.append(f"{endpoints(view)}.")
    if view.known("withdrawals_late_peak"):
        found.append(f"Withdrawals later than promised at the worst moment: {view.told('withdrawals_late_peak')}.")
    if view.known("wallet_short_hours"):
        short = view.told("wallet_short_hours")
        found.append(f"Time in which a hot wallet holds less than the first in line asks for: {short}.")
    if view.known("agent_cost_per_day"):
        found.append(f"The agents cost {view.told('agent_cost_per_day')} US dollars a day.")
    return found


def _handled(view: View) -> str:
    """Return the shares of tickets that the bot ends and that people handle, which add up to all."""
    bot, human = (view.metrics.get(f"tickets_{who}_per_day") for who in ("bot", "human"))
    whole = ((bot and bot.mean) or 0.0) + ((human and human.mean) or 0.0)
    if not whole or bot is None:
        return "none of them reach the desk"
    share = round(100 * (bot.mean or 0.0) / whole)
    return f"the bot ends {share} % of them, people handle {100 - share} %"


def complaints_in_words(view: View) -> list[str]:
    """Return what the complaints consist of, and the share of people without one by each denominator."""
    found = []
    whole = view.metrics.get("complaints_per_day")
    if whole is not None and whole.mean and view.metrics.get("complaints_without_waits_per_day") is not None:
        background = part_text(view, "complaints_background_per_day", whole)
        shares = _shares(view, "complaints_reducible_per_day", whole)
        without, reducible = (" or ".join(f"{one} %" for one in each) for each in ([100 - s for s in shares], shares))
        found.append(
            f"Without waits: {without} of the public complaints. That is what remained of them, had no ticket of this "
            f"run waited for an agent; {background} name no ticket, and belong to it. A staffing plan goes below it "
            "only where fewer complaints mean less rumour, and so fewer tickets."
        )
        found.append(f"Reducible: {reducible} come from waiting for agents.")
    if (campaign := view.known("campaign_posts_per_day")) is not None:
        found.append(f"Campaigns post besides, and are no complaints: {futures(campaign, view.many)} posts a day.")
    for name in ("unharmed_share_of_registered", "unharmed_share_of_active", "unharmed_share_of_tickets"):
        if (share_of := view.metrics.get(name)) is not None and share_of.mean is not None:
            found.append(f"{futures(share_of, view.many)} {share_of.unit} make no direct public complaint on a day.")
    return found
