"""The platform's plans and announcements, as factors over the run: set by the calendar and the market before it begins.

Nothing here listens to the live state. Announcements suppress contacts *about incidents*: what the market, a shock or
a planned incident adds to a category's ordinary tickets, and (by ``contact_factor``, which the live streams read) the
tickets of feedback levels; who asks how to stake is not silenced by news of an outage. All of it goes by whole minutes.

With A the age of an announcement, an announcement's share of suppressed contacts is

    reach x effect x (1 - 2^(-A / lag)) x 2^(-A / half_life)

and the factor on logins 1 + (login_spike - 1) x 2^(-A / lag): people log in as they hear of it, at the rate at which
the reach rises.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sim.core.arrays import Floats, Ints
from sim.core.clock import DAY_MS, HOUR_MS, MINUTE_MS
from sim.core.lazy import lazy_property
from sim.drivers.market import varies
from sim.numerics.rate_curve import Curve
from sim.scenario.faults import ScenarioFaults
from sim.scenario.rules.policy import bot_factors
from sim.scenario.schema.policy import Announcement, Driven, EarlyWarning, Incident
from sim.scenario.schema.scenario import Scenario

_HALVES = 12
"""Half-lives after which what fades has gone."""


@dataclass(frozen=True)
class Policy:
    """The planned levers of a scenario over its run, and when its early warnings raise ``alarms`` (ms of the run)."""

    scenario: Scenario
    alarms: dict[str, tuple[int, ...]]

    @property
    def days(self) -> int:
        """Days of the run, warm-up included."""
        return self.scenario.warmup_days + self.scenario.days

    @lazy_property
    def silent(self) -> Policy:
        """The same without announcements and education."""
        mute: dict[str, object] = {"announcements": {}, "early_warnings": {}, "education": None}
        return Policy(self.scenario.model_copy(update=mute), {})

    @property
    def begin_ms(self) -> int:
        """The end of the warm-up, from which the scenario's times count."""
        return self.scenario.warmup_days * DAY_MS

    @lazy_property
    def middles_ms(self) -> Floats:
        """The middle of each minute of the run."""
        return MINUTE_MS * (0.5 + np.arange(self.days * DAY_MS // MINUTE_MS, dtype=np.float64))

    # --- words ----------------------------------------------------------------------------------------------

    @lazy_property
    def spoken(self) -> tuple[tuple[Announcement, int], ...]:
        """Every announcement with each time at which it is made, in ms of the run."""
        made = [(one, self.begin_ms + one.at) for one in self.scenario.announcements.values() if one.at is not None]
        for name, warning in self.scenario.early_warnings.items():
            for alarm in self.alarms[name]:
                made += [(self.scenario.announcements[said], alarm + warning.delay) for said in warning.announce]
        return tuple(made)

    def contact_factor(self, category: str) -> Floats:
        """Return by the minute the factor on a category's contacts about incidents: 1 where nothing is announced."""
        factor = np.ones(len(self.middles_ms))
        for one, at in self.spoken:
            if not one.categories or category in one.categories:
                seen = 1 - _faded(self.middles_ms - at, one.lag)
                fresh = 1.0 if one.half_life is None else _faded(self.middles_ms - at, one.half_life)
                factor *= 1 - one.reach * one.effect * np.where(self.middles_ms >= at, seen * fresh, 0.0)
        return factor

    def late_contact_factor(self, category: str) -> Floats:
        """Return by the minute the factor on tickets about late withdrawals: announcements and status messages."""
        status = self.scenario.status_messages
        return self.contact_factor(category) * (status.late_tickets if status else 1.0)

    def _login_factor(self) -> Floats:
        factor = np.ones(len(self.middles_ms))
        for one, at in self.spoken:
            rise = _faded(self.middles_ms - at, one.lag)
            factor *= 1 + (one.login_spike - 1) * np.where(self.middles_ms >= at, rise, 0.0)
        return factor

    # --- demand ---------------------------------------------------------------------------------------------

    def tickets(self, category: str, ordinary: Curve, driven: Curve) -> Curve:
        """Return a category's tickets, from the ordinary ones and those that market and shocks make of them.

        Tasks, which no customer asks for, stay as they are. Edges are added only where something changes the rate, so
        other days keep their numbers to the last bit.
        """
        if self.scenario.categories[category].task:
            return driven
        if taught := self._taught(category):
            ordinary, driven = ordinary.times(taught), driven.times(taught)
        incidents, closures = self._contacts(category), list(self._closures("tickets"))
        concerned = any(not one.categories or category in one.categories for one, _ in self.spoken)
        if not (concerned or closures or incidents):
            return driven
        marks = np.arange(driven.edges_ms[0], driven.edges_ms[-1], MINUTE_MS)
        edges = np.union1d(driven.edges_ms, marks)
        minute = edges[:-1] // MINUTE_MS
        usual, moved = ordinary.rate_at(edges[:-1]), driven.rate_at(edges[:-1])
        extra = np.zeros(len(self.middles_ms))
        for incident, contacts in incidents:
            extra += contacts * self._shape(incident)
        excess = np.maximum(moved - usual, 0.0) + usual * extra[minute]
        heard = self.contact_factor(category)[minute]
        rate = np.where((extra[minute] > 0) | (heard < 1), np.minimum(moved, usual) + excess * heard, moved)
        rate = _closed(rate, edges, closures)
        changes = np.isin(edges[:-1], driven.edges_ms) | (np.diff(rate, prepend=-1.0) != 0)
        return Curve(np.append(edges[:-1][changes], edges[-1]), rate[changes])

    def requests(self, driven: Driven, by_minute: Floats) -> Floats:
        """Return withdrawals or logins by the minute, as announcements and closures change them."""
        closures = list(self._closures(driven))
        if driven == "logins" and self.spoken:
            by_minute = by_minute * self._login_factor()
        if not closures:
            return by_minute
        return _closed(by_minute, np.arange(len(by_minute) + 1) * MINUTE_MS, closures)

    def bot_share(self, category: str) -> Floats:
        """Return by day the share of a category's tickets that the bot ends: involvement x resolution, at most 1."""
        one = self.scenario.categories[category]
        involvement, resolution = (np.full(self.days, share) for share in bot_factors(one))
        for release in self.scenario.bot_releases.values():
            if not release.categories or category in release.categories:
                first = (self.begin_ms + release.at) // DAY_MS
                days = slice(first, None if release.length is None else first + release.length // DAY_MS)
                involvement[days] = np.minimum(involvement[days] * release.involvement, 1.0)
                resolution[days] = np.minimum(resolution[days] * release.resolution, 1.0)
        return involvement * resolution

    def _taught(self, category: str) -> Curve | None:
        """Return what education leaves of a category's tickets, in steps of an hour while it rises."""
        lesson = self.scenario.education
        if lesson is None or not lesson.reduction.get(category):
            return None
        begin, end = self.begin_ms + lesson.at, max(self.days * DAY_MS, self.begin_ms + lesson.at + lesson.ramp) + 1
        steps = begin + np.arange(0, lesson.ramp, HOUR_MS)
        known = np.append((steps - begin + HOUR_MS / 2) / max(lesson.ramp, 1), 1.0)
        edges = np.concatenate([[0], steps, [begin + lesson.ramp, end]])
        factors = np.append(1.0, 1 - lesson.reduction[category] * np.minimum(known, 1.0))
        some = np.diff(edges) > 0
        return Curve(np.append(edges[:-1][some], end), factors[some])

    def _contacts(self, category: str) -> list[tuple[Incident, float]]:
        found = [(one, one.contacts.get(category, 0.0)) for one in self.scenario.incidents.values()]
        return [(one, contacts) for one, contacts in found if contacts]

    def _shape(self, incident: Incident) -> Floats:
        """Return by the minute how much of an incident's contacts there are: 1 while it lasts, then fading."""
        begin = self.begin_ms + incident.at
        after = self.middles_ms - begin - incident.length
        tail = _faded(after, incident.half_life) if incident.half_life else np.zeros(len(after))
        return np.where(self.middles_ms < begin, 0.0, np.where(after < 0, 1.0, tail))

    def _closures(self, driven: Driven) -> Iterator[tuple[int, int, float, int]]:
        """Yield (begin, end, share deferred, half-life of what remains), in ms of the run, in order of time."""
        for one in sorted(self.scenario.incidents.values(), key=lambda each: each.at):
            if driven in one.closes:
                begin = self.begin_ms + one.at
                yield begin, begin + one.length, one.deferred, one.catch_up or MINUTE_MS

    def closed_minutes(self, driven: Driven) -> Iterator[tuple[int, int]]:
        """Yield the first minute of each closure of requests, and the first after it, in minutes of the run."""
        for begin, end in self.closed_ms(driven):
            yield begin // MINUTE_MS, -(-end // MINUTE_MS)

    def closed_ms(self, driven: Driven) -> list[tuple[int, int]]:
        """Return the beginning and the end of each closure, in ms of the run, in order of time."""
        return [(begin, end) for begin, end, _, _ in self._closures(driven)]

    # --- people ---------------------------------------------------------------------------------------------

    def surge_turns(self, name: str) -> list[tuple[int, int]]:
        """Return when the agents of a surge are there, in ms of the run; another call while they are prolongs it."""
        surge = self.scenario.surges[name]
        calls = [] if surge.at is None else [self.begin_ms + surge.at]
        for warning_name, warning in self.scenario.early_warnings.items():
            if name in warning.surge:
                calls += [alarm + warning.delay for alarm in self.alarms[warning_name]]
        turns: list[tuple[int, int]] = []
        for call in sorted(calls):
            begin = call + surge.delay
            if turns and begin <= turns[-1][1]:
                turns[-1] = turns[-1][0], begin + surge.length
            else:
                turns.append((begin, begin + surge.length))
        return turns


def policy_of(scenario: Scenario, price: Floats, volatility: Floats | None) -> Policy:
    """Return the policy of a scenario in a market: the price index and the volatility ratio by the hour of the run.

    Where each replication has a market of its own, what all share has no volatility, and so raises no such alarm.
    Raises ScenarioFaults where a warning waits for a volatility that the market does not have.
    """
    alarms = {}
    for name, warning in scenario.early_warnings.items():
        if volatility is None and warning.volatility_ratio is not None and not varies(scenario):
            got = f"early_warnings.{name}.volatility_ratio: got {warning.volatility_ratio:g}, and no volatility"
            raise ScenarioFaults([f"{got}; must be given together with a market whose prices move by the hour"])
        alarms[name] = alarms_of(warning, price, volatility)
    return Policy(scenario, alarms)


def alarms_of(warning: EarlyWarning, price: Floats, volatility: Floats | None) -> tuple[int, ...]:
    """Return when a warning raises its alarms, in ms of the run.

    ``price`` is that at each hour's beginning and ``volatility`` that of the hours before it, so both are seen when the
    hour begins; ``lead`` puts the alarm before that (never before the run). Hits and false alarms are not drawn: they
    are what the thresholds make of this market, which moves demand by its own rules.
    """
    hours = np.arange(len(price))
    crossed = np.zeros(len(price), dtype=np.bool_)
    if warning.price_fall is not None:
        before = price[np.maximum(hours - warning.window // HOUR_MS, 0)]
        crossed |= price <= before * (1 - warning.price_fall)
    if warning.volatility_ratio is not None and volatility is not None:
        crossed |= volatility >= warning.volatility_ratio
    alarms: list[int] = []
    rested = 0
    for hour in np.flatnonzero(crossed).tolist():
        at = hour * HOUR_MS
        if at >= rested:
            alarms.append(max(at - warning.lead, 0))
            rested = at + warning.rest
    return tuple(alarms)


def complaint_factor(scenario: Scenario, category: str) -> float:
    """Return the factor on a category's complaint hazard: status messages, and silence as against a reply.

    The hazard of the scenario holds under ``reply_policy_calibrated``, whose silence it already contains; so the
    factor is that of the policy in force over that of the calibrated one, and 1 where they are the same.
    """
    one, silence, status = scenario.categories[category], scenario.silence, scenario.status_messages
    factor = status.complaint_hazard if status else 1.0
    if silence is None or one.reply_policy in (None, one.reply_policy_calibrated):
        return factor
    by_policy = {"reply": 1.0, "strategic_silence": silence.strategic, "legal_silence": silence.legal}
    return factor * by_policy[one.reply_policy] / by_policy[one.reply_policy_calibrated]


def _faded(age_ms: Floats, half_life_ms: int) -> Floats:
    """Return 2^(-age / half-life): 1 before age 0, 0 once the number of half-lives leaves nothing."""
    halves = np.maximum(age_ms, 0.0) / half_life_ms
    return np.where(halves < _HALVES, 0.5 ** np.minimum(halves, _HALVES), 0.0)


def _closed(rate: Floats, edges_ms: Ints, closures: list[tuple[int, int, float, int]]) -> Floats:
    """Return rates between edges with nothing during closures, and what was deferred made up for after each.

    What begins within a closure is shut out; the share deferred then comes with a half-life, exponentially, all of it
    but for 2^-12.
    """
    begins, ends = edges_ms[:-1], edges_ms[1:]
    for begin, end, deferred, half_life in closures:
        shut = (begins >= begin) & (begins < end)
        missed = (rate * (ends - begins))[shut].sum() * deferred
        since, until = (np.clip((marks - end) / half_life, 0, _HALVES) for marks in (begins, ends))
        rate = np.where(shut, 0.0, rate + missed * (0.5**since - 0.5**until) / (ends - begins))
    return rate
