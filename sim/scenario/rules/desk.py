"""The rules of the desk: names that must exist, shares that must sum to 1, valid distributions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import exp

from sim.scenario.faults import Fault, among
from sim.scenario.rules.complaints import clock_faults
from sim.scenario.rules.feedback import public_faults, withdrawal_faults
from sim.scenario.schema.durations import Distribution, Lognormal, Mixture
from sim.scenario.schema.quantities import exact_duration_text
from sim.scenario.schema.routes import path_of, queue_names, served_by
from sim.scenario.schema.scenario import Queue, Scenario, Shrinking, Step

_P90_PER_MEAN_MAX = exp(1.2815515655446004**2 / 2)


def desk_faults(scenario: Scenario) -> list[Fault]:
    """Return the faults of the desk and of its measurement: (key path, value found, rule)."""
    return [
        *_category_faults(scenario),
        *clock_faults(scenario),
        *_queue_faults(scenario),
        *_team_faults(scenario),
        *_other_faults(scenario),
        *_distribution_faults(scenario),
    ]


def _unknown(path: str, got: str, known: list[str], what: str) -> Iterator[Fault]:
    if got not in known:
        yield path, got, among(what, known)


def _sum_fault(path: str, shares: dict[str, float], over: str) -> Iterator[Fault]:
    total = sum(shares.values())
    if abs(total - 1) > 1e-9:
        yield path, f"shares that sum to {round(total, 9)}", f"must sum to 1 over all {over}"


def _category_faults(scenario: Scenario) -> Iterator[Fault]:
    for name, category in scenario.categories.items():
        at = f"categories.{name}"
        if not category.task and (category.share is None) == (category.arrivals_per_hour is None):
            got = "neither" if category.share is None else "both"
            yield f"{at}.share", got, "must be given as exactly one of share and arrivals_per_hour"
        if category.share is not None and scenario.population is None:
            yield f"{at}.share", category.share, "must be arrivals_per_hour where there is no table population"
        if category.bot_resolve > 0 and scenario.bot is None:
            yield f"{at}.bot_resolve", category.bot_resolve, "must be 0 where there is no table bot"
        path = path_of(category)
        for i, step in enumerate(path):
            yield from _unknown(f"{at}.path.{i}", step, list(category.steps), "one of its steps")
            if path.count(step) > 1 and path.index(step) == i:
                yield f"{at}.path.{i}", step, "must occur only once in the path"
        for i, step_name in enumerate(path):
            if step_name in category.steps:
                step_at, one = f"{at}.steps.{step_name}", category.steps[step_name]
                yield from _step_faults(step_at, one, last=i == len(path) - 1)
                if scenario.evidence is None and (one.evidence or one.hold):
                    rule = "must be given together with a table evidence, whose first_part sets where the work is split"
                    yield f"{step_at}.{'evidence' if one.evidence else 'hold'}", "no table evidence", rule
    shares = {k: c.share for k, c in scenario.categories.items() if c.share is not None}
    if shares:
        yield from _sum_fault("categories.*.share", shares, "categories, or give arrivals_per_hour instead")


def _step_faults(at: str, step: Step, *, last: bool) -> Iterator[Fault]:
    if isinstance(step.queue, dict):
        yield from _sum_fault(f"{at}.queue", step.queue, "queues of the step")
    if last and step.solved not in (None, 1.0):
        yield f"{at}.solved", step.solved, "must be 1 or absent at the last step of the path"
    if not last and step.solved is None:
        yield f"{at}.solved", "nothing", "must be given (share solved at this step), since another step follows"


def _queue_faults(scenario: Scenario) -> Iterator[Fault]:
    known = queue_names(scenario)
    served = {queue for team in scenario.teams.values() for rank in served_by(team) for queue in rank}
    for name in known:
        if name not in served:
            yield f"queues.{name}", "no team", "must be served by a team (teams.NAME.serves)"
    for name, queue in scenario.queues.items():
        yield from _one_queue_faults(scenario, f"queues.{name}", name, queue)


def _one_queue_faults(scenario: Scenario, at: str, name: str, queue: Queue) -> Iterator[Fault]:
    known = queue_names(scenario)
    if queue.then != "leave":
        yield from _unknown(f"{at}.then", queue.then, ["leave", *known], "leave or a queue")
        if queue.then == name:
            yield f"{at}.then", queue.then, "must be another queue"
        if queue.patience is None:
            yield f"{at}.then", queue.then, "must be given together with patience"
    previous = 0
    for i, age in enumerate(queue.age):
        if (age.priority is None) == (age.to is None):
            yield f"{at}.age.{i}", "both" if age.to else "neither", "must give exactly one of priority and to"
        if age.to is not None:
            yield from _unknown(f"{at}.age.{i}.to", age.to, known, "a queue")
            if i + 1 < len(queue.age):
                yield f"{at}.age.{i}.to", age.to, "must be the last age rule of its queue, since the ticket leaves it"
        if age.after <= previous:
            rule = "must be longer than the age of the rule before it"
            yield f"{at}.age.{i}.after", exact_duration_text(age.after), rule
        previous = age.after
    for i, team in enumerate(queue.prefers):
        yield from _unknown(f"{at}.prefers.{i}", team, list(scenario.teams), "a team")


def _shrinkage_faults(at: str, part: Shrinking) -> Iterator[Fault]:
    if part.shrinkage is not None and not (part.absence is part.breaks is None):
        yield f"{at}.shrinkage", part.shrinkage, "must not be given beside absence or breaks, which are its parts"


def _team_faults(scenario: Scenario) -> Iterator[Fault]:
    known = queue_names(scenario)
    for name, team in scenario.teams.items():
        at = f"teams.{name}"
        yield from _shrinkage_faults(at, team)
        for i, rank in enumerate(served_by(team)):
            for queue in rank:
                yield from _unknown(f"{at}.serves.{i}", queue, known, "a queue that a step names")
        held = team.concurrency if isinstance(team.concurrency, dict) else {"": team.concurrency}
        for queue in held if isinstance(team.concurrency, dict) else []:
            served = [one for rank in served_by(team) for one in rank]
            yield from _unknown(f"{at}.concurrency.{queue}", queue, served, "a queue that the team serves")
        if len(team.stretch) not in (1, max(held.values(), default=1)):
            rule = "must have one factor for each number of tickets held, from 1 to concurrency"
            yield f"{at}.stretch", f"{len(team.stretch)} factors", rule
        for i, (fewer, more) in enumerate(pairwise(team.stretch)):
            if more < fewer:
                yield f"{at}.stretch.{i + 1}", more, "must not be below the factor before it"
        if isinstance(team.agents, dict):
            for shift in team.agents:
                yield from _unknown(f"{at}.agents.{shift}", shift, list(scenario.shifts), "a shift")


def _other_faults(scenario: Scenario) -> Iterator[Fault]:
    queues, categories = queue_names(scenario), list(scenario.categories)
    yield from _shrinkage_faults("staffing", scenario.staffing)
    if scenario.misroute:
        for i, queue in enumerate(scenario.misroute.among):
            yield from _unknown(f"misroute.among.{i}", queue, queues, "a queue")
    for shock_name, shock in scenario.shocks.items():
        for i, category in enumerate(shock.categories):
            yield from _unknown(f"shocks.{shock_name}.categories.{i}", category, categories, "a category")
    if scenario.market and (scenario.market.candles is None) != (scenario.market.begin is None):
        missing, given = ("begin", "candles") if scenario.market.begin is None else ("candles", "begin")
        yield f"market.{missing}", "nothing", f"must be given together with {given}"
    if scenario.withdrawals:
        yield from _sum_fault("withdrawals.assets", scenario.withdrawals.assets, "assets")
        if scenario.population is None:
            yield "withdrawals", "no population", "must be given together with a table population, which makes them"
        yield from withdrawal_faults(scenario.withdrawals)
    yield from public_faults(scenario)
    if sum(scenario.profile.weights) == 0:
        yield "profile.weights", 0, "must have at least one weight above 0"
    minutes = 1440 if scenario.profile.period == "1 d" else 7 * 1440
    if minutes % len(scenario.profile.weights):
        yield "profile.weights", f"{len(scenario.profile.weights)} weights", "must divide the period into whole minutes"
    if scenario.reopen and scenario.reopen.share >= 1:
        yield "reopen.share", scenario.reopen.share, "must be below 1, or no ticket ever ends"


def _distribution_faults(scenario: Scenario) -> Iterator[Fault]:
    for path, distribution in distributions_of(scenario):
        for at, one in _simple(path, distribution):
            if isinstance(one, Lognormal):
                yield from _lognormal_faults(at, one)
            quantiles = getattr(one, "quantiles", [])
            if sorted(quantiles) != quantiles:
                yield f"{at}.quantiles", "a falling quantile", "must be in ascending order"


def _simple(path: str, distribution: Distribution) -> list[tuple[str, Distribution]]:
    """Return a distribution with its key path, or the distributions that a mixture is made of."""
    if isinstance(distribution, Mixture):
        return [(f"{path}.parts.{i}.of", part.of) for i, part in enumerate(distribution.parts)]
    return [(path, distribution)]


def _lognormal_faults(at: str, distribution: Lognormal) -> Iterator[Fault]:
    if (distribution.cv is None) == (distribution.p90 is None):
        yield at, "neither" if distribution.cv is None else "both", "must give exactly one of cv and p90"
    elif distribution.p90 is not None and distribution.p90 < distribution.mean:
        yield f"{at}.p90", exact_duration_text(distribution.p90), "must not be below the mean"
    elif distribution.p90 is not None and distribution.p90 > distribution.mean * _P90_PER_MEAN_MAX:
        rule = f"must be at most {_P90_PER_MEAN_MAX:.3f} times the mean, the maximum of a lognormal distribution"
        yield f"{at}.p90", exact_duration_text(distribution.p90), rule


def distributions_of(scenario: Scenario) -> Iterator[tuple[str, Distribution]]:
    """Yield every distribution of the scenario with its key path."""
    for name, category in scenario.categories.items():
        for step_name, step in category.steps.items():
            yield f"categories.{name}.steps.{step_name}.handle", step.handle
            if step.hold:
                yield f"categories.{name}.steps.{step_name}.hold", step.hold
    for name, queue in scenario.queues.items():
        if queue.patience:
            yield f"queues.{name}.patience", queue.patience
    for table, key in (("bot", "handle"), ("evidence", "reply"), ("misroute", "handle"), ("reopen", "after")):
        part = getattr(scenario, table)
        if part:
            yield f"{table}.{key}", getattr(part, key)
    if scenario.recontact:
        yield "recontact.after", scenario.recontact.after
        yield "recontact.handle", scenario.recontact.handle
