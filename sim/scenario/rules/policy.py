"""Rules for the platform's levers that concern several keys, and values derived from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sim.core.clock import DAY_MS, HOUR_MS
from sim.scenario.faults import NOTHING, Fault, among
from sim.scenario.schema.quantities import exact_duration_text
from sim.scenario.schema.scenario import Category, Scenario


def bot_factors(category: Category) -> tuple[float, float]:
    """Return the share of a category's tickets that the bot takes on, and the share of those that it ends."""
    if category.bot_involvement is None or category.bot_resolution is None:
        return 1.0, category.bot_resolve
    return category.bot_involvement, category.bot_resolution


def policy_faults(scenario: Scenario) -> list[Fault]:
    """Return every fault in the platform's levers: (key path, value found, rule)."""
    return [
        *_bot_faults(scenario),
        *_reply_faults(scenario),
        *_words_faults(scenario),
        *_incident_faults(scenario),
        *_warning_faults(scenario),
        *_people_faults(scenario),
    ]


def _unknown(path: str, names: Iterable[str], known: Iterable[str], what: str) -> Iterator[Fault]:
    listed = list(known)
    for i, name in enumerate(names):
        if name not in listed:
            yield f"{path}.{i}", name, among(what, listed)


def _unknown_keys(path: str, table: Iterable[str], known: Iterable[str], what: str) -> Iterator[Fault]:
    listed = list(known)
    for name in table:
        if name not in listed:
            yield f"{path}.{name}", name, among(what, listed)


def _bot_faults(scenario: Scenario) -> Iterator[Fault]:
    for name, category in scenario.categories.items():
        at, (involvement, resolution) = f"categories.{name}", bot_factors(category)
        if (category.bot_involvement is None) != (category.bot_resolution is None):
            keys = ("bot_involvement", "bot_resolution")
            missing, given = keys if category.bot_involvement is None else keys[::-1]
            yield f"{at}.{missing}", NOTHING, f"must be given together with {given}"
        elif category.bot_resolve and abs(involvement * resolution - category.bot_resolve) > 1e-9:
            rule = f"must be absent, or bot_involvement x bot_resolution ({involvement * resolution:g})"
            yield f"{at}.bot_resolve", category.bot_resolve, rule
        elif category.bot_involvement and scenario.bot is None:
            yield f"{at}.bot_involvement", category.bot_involvement, "must be 0 where there is no table bot"
    for name, release in scenario.bot_releases.items():
        at = f"bot_releases.{name}"
        yield from _unknown(f"{at}.categories", release.categories, scenario.categories, "a category")
        for key, ms in (("at", release.at), ("length", release.length or 0)):
            if ms % DAY_MS:
                yield f"{at}.{key}", exact_duration_text(ms), 'must be whole days, such as "2 d"'


def _reply_faults(scenario: Scenario) -> Iterator[Fault]:
    for name, category in scenario.categories.items():
        if scenario.silence is None and category.reply_policy not in (None, category.reply_policy_calibrated):
            rule = "must equal reply_policy_calibrated where there is no table silence, which sets its effects"
            yield f"categories.{name}.reply_policy", category.reply_policy, rule


def _words_faults(scenario: Scenario) -> Iterator[Fault]:
    called = {name for warning in scenario.early_warnings.values() for name in warning.announce}
    for name, announcement in scenario.announcements.items():
        at = f"announcements.{name}"
        yield from _unknown(f"{at}.categories", announcement.categories, scenario.categories, "a category")
        if announcement.at is None and name not in called:
            yield f"{at}.at", NOTHING, "must be given, since no early warning makes the announcement"
    if scenario.education:
        reduced = scenario.education.reduction
        yield from _unknown_keys("education.reduction", reduced, scenario.categories, "a category")


def _incident_faults(scenario: Scenario) -> Iterator[Fault]:
    for name, incident in scenario.incidents.items():
        at = f"incidents.{name}"
        yield from _unknown_keys(f"{at}.contacts", incident.contacts, scenario.categories, "a category")
        if incident.closes and incident.deferred and incident.catch_up is None:
            yield f"{at}.catch_up", NOTHING, "must be given where closed requests are deferred"


def _warning_faults(scenario: Scenario) -> Iterator[Fault]:
    for name, warning in scenario.early_warnings.items():
        at = f"early_warnings.{name}"
        if warning.volatility_ratio is None and warning.price_fall is None:
            yield at, "neither", "must give one or both of volatility_ratio and price_fall"
        if warning.window % HOUR_MS:
            yield f"{at}.window", exact_duration_text(warning.window), 'must be whole hours, such as "24 h"'
        yield from _unknown(f"{at}.announce", warning.announce, scenario.announcements, "an announcement")
        yield from _unknown(f"{at}.surge", warning.surge, scenario.surges, "a surge")


def _people_faults(scenario: Scenario) -> Iterator[Fault]:
    teams, called = list(scenario.teams), {n for w in scenario.early_warnings.values() for n in w.surge}
    for name, surge in scenario.surges.items():
        yield from _team(f"surges.{name}.team", surge.team, teams)
        if surge.at is None and name not in called:
            yield f"surges.{name}.at", NOTHING, "must be given, since no early warning calls the surge"
    for name, hire in scenario.hires.items():
        yield from _team(f"hires.{name}.team", hire.team, teams)
        if isinstance(hire.agents, dict):
            yield from _unknown_keys(f"hires.{name}.agents", hire.agents, scenario.shifts, "a shift")
    if attrition := scenario.attrition:
        yield from _unknown("attrition.teams", attrition.teams, teams, "a team")
        if attrition.quits_per_year_at_1 < attrition.quits_per_year:
            rule = "must not be below quits_per_year"
            yield "attrition.quits_per_year_at_1", attrition.quits_per_year_at_1, rule


def _team(path: str, name: str, teams: list[str]) -> Iterator[Fault]:
    if name not in teams:
        yield path, name, among("a team", teams)
