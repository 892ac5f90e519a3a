"""Public complaints and the funnel: the outcome of a day's tickets when no one has to wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sim import theory
from sim.metrics.observation.replication import Observation
from sim.metrics.registry import METRICS
from sim.selfcheck import measure
from sim.selfcheck.check import Check, Compared
from sim.selfcheck.queues import deterministic, exponential, station

OWN = "constant hazard while a ticket is open"
PUBLISHED = "MXC's published bot share (80 %) and Gate's published funnel (10 M users, 95 % at once)"
TYPES = {
    "howto": {"share": 0.30, "bot": 0.95, "fcr": 0.95, "p_public": 0.01},
    "deposit_missing": {"share": 0.15, "bot": 0.84, "fcr": 0.75, "p_public": 0.08},
    "withdrawal_delayed": {"share": 0.15, "bot": 0.82, "fcr": 0.80, "p_public": 0.10},
    "login_2fa": {"share": 0.14, "bot": 0.85, "fcr": 0.85, "p_public": 0.05},
    "kyc": {"share": 0.10, "bot": 0.70, "fcr": 0.80, "p_public": 0.04},
    "trading_fees": {"share": 0.08, "bot": 0.7125, "fcr": 0.85, "p_public": 0.04},
    "fiat_payment": {"share": 0.03, "bot": 0.50, "fcr": 0.75, "p_public": 0.02},
    "frozen_kyt": {"share": 0.02, "bot": 0.15, "fcr": 0.25, "p_public": 0.20},
    "compromised_scam": {"share": 0.02, "bot": 0.10, "fcr": 0.55, "p_public": 0.10},
    "vip": {"share": 0.01, "bot": 0.0, "fcr": 0.935, "p_public": 0.003},
}
"""A split of the day's tickets by type whose totals are the published ones."""
FREQUENT_PER_DAY = 30
"""Counts rarer than this would need a longer run than the whole self-check takes."""

_OPEN = """
title = "Tickets that stay open for a known time"
days = {days}
complaints.clock = "opening"
[shocks.end]
at = "1 d"
length = "{days} d"
tickets = 0
[categories.ticket]
arrivals_per_hour = 100
complaint_hazard_per_hour = {hazard}
steps.work = {{ queue = "line", handle = {handle} }}
[teams.agents]
serves = ["line"]
agents = 20000
"""
_FUNNEL = """
title = "The published funnel with an agent for everybody"
days = 8
warmup_days = 1
bot.handle = { law = "deterministic", value = "2 min" }
[population]
registered = 10_000_000
mau_share = 0.1
tickets_per_mau_day = 0.01
[teams.front]
serves = ["front"]
agents = 20000
[teams.department]
serves = ["department"]
agents = 20000
"""
_TYPE = """
[categories.{name}]
share = {share}
bot_resolve = {bot}
complaint_hazard_per_hour = {hazard}
steps.front = {{ queue = "front", handle = {front}, solved = {fcr} }}
steps.department = {{ queue = "department", handle = {department} }}
"""


def checks() -> Iterator[Check]:
    """Yield the checks of complaints and of the funnel."""
    yield from _open_for()
    yield _complaints_in_queue()
    yield _funnel()


def _open_for() -> Iterator[Check]:
    """Hazards set for 10 % in 48 h; twice the time gives less than twice the complaints."""
    p, hours, name = 0.1, 48.0, "complaint-hazard-calibration"
    exp = theory.complaint_hazard_exponential(p=p, mean_time=hours)
    fix = theory.complaint_hazard_deterministic(p=p, time=hours)
    for hazard, duration, times, expected, key in (
        (exp, exponential, 1, theory.complaint_probability_exponential(hazard=exp, mean_time=hours), ""),
        (exp, exponential, 2, theory.complaint_probability_exponential(hazard=exp, mean_time=2 * hours), "exp"),
        (fix, deterministic, 1, theory.complaint_probability_deterministic(hazard=fix, time=hours), ""),
        (fix, deterministic, 2, theory.complaint_probability_deterministic(hazard=fix, time=2 * hours), "det"),
    ):
        longest = "T" if duration is deterministic else "ET"
        oracle = f"{name}:P_if_{longest}_doubles_{key}" if key else ""
        yield Check(
            name=f"complaint-hazard-{duration.__name__}-{times}",
            scenario=_OPEN.format(
                days=12 if duration is deterministic else 80, hazard=repr(hazard), handle=duration(times * hours)
            ),
            quantities=(
                Compared(f"share public if open for {times * hours:g} h", expected, measure.share_public, oracle),
            ),
            source=OWN,
        )  # fmt: skip


def _complaints_in_queue() -> Check:
    """The clock runs through wait and service of M/M/3: the Laplace transforms of both at the hazard."""
    hazard = 0.1
    q = theory.erlang_c(arrival_rate=5, service_rate=2, servers=3)
    expected = theory.complaint_probability_mmc(hazard=hazard, p_wait=q.p_wait, spare_rate=q.spare_rate, service_rate=2)
    return Check(
        name="complaint-in-queue",
        scenario=station(
            title="M/M/3 with complaints", rate=5, handle=exponential(0.5), agents=3, days=260, warmup=5, hazard=hazard
        ),
        quantities=(Compared("share public", expected, measure.share_public),),
        source=f"{OWN}; Erlang 1917",
    )


def _funnel() -> Check:
    """The department's time is exponential, so that the hazard for p is p / ((1 - p) mean time)."""
    hours = 2.0
    rows, total = theory.funnel_by_type(tickets_per_day=10_000, types=TYPES)
    gate = theory.funnel(
        users=10_000_000, active_share=0.1, issues_per_day=0.01, resolved_at_once=0.95, public_share=0.1
    )
    at_once = theory.agent_first_contact(bot_share=0.8, resolved_at_once=0.95)
    blocks = "".join(
        _TYPE.format(
            name=name, share=t["share"], bot=t["bot"], fcr=t["fcr"], front=deterministic(1 / 60),
            hazard=repr(theory.complaint_hazard_exponential(p=t["p_public"], mean_time=hours)),
            department=exponential(hours),
        )
        for name, t in TYPES.items()
    )  # fmt: skip
    return Check(
        name="funnel",
        scenario=_FUNNEL + blocks,
        quantities=(
            Compared("tickets a day", gate.tickets, metric("tickets_new_per_day"), "gate-funnel:tickets"),
            Compared(
                "ended by the bot a day", total.tickets - total.human, metric("tickets_bot_per_day"),
                "funnel-by-type:bot_resolved",
            ),
            Compared("to people a day", total.human, metric("tickets_human_per_day"), "funnel-by-type:human"),
            Compared(
                "solved at first contact a day", total.first_contact, metric("tickets_first_contact_per_day"),
                "funnel-by-type:first_contact",
            ),
            Compared(
                "first contacts that solve, of human", at_once, _first_contact_share,
                "bot-agent-reconcile:agent_first_contact",
            ),
            Compared("escalated a day", gate.unresolved, metric("tickets_escalated_per_day"), "gate-funnel:remaining"),
            Compared("public a day", total.public, metric("complaints_direct_per_day"), "funnel-by-type:public"),
            *_by_type(rows),
        ),
        source=PUBLISHED,
    )  # fmt: skip


def _by_type(rows: dict[str, theory.ByType]) -> Iterator[Compared]:
    for name, row in rows.items():
        oracle = f"funnel-by-type:rows.{name}"
        yield Compared(f"{name} to people a day", row.human, metric("tickets_human_per_day", name), f"{oracle}.human")
        for what, expected, key, source in (
            ("escalated", row.escalated, "tickets_escalated_per_day", "escalated"),
            ("public", row.public, "complaints_direct_per_day", "public"),
        ):
            if expected >= FREQUENT_PER_DAY * 0.8:
                yield Compared(f"{name} {what} a day", expected, metric(key, name), f"{oracle}.{source}")


def metric(name: str, entity: str = "") -> Callable[[Observation], float]:
    """Return a metric of ``sim.metrics`` as a measure; a value that does not exist raises TypeError."""
    function = next(m.of for m in METRICS if m.name == name)
    return lambda observed: float(function(observed)[entity])  # type: ignore[arg-type]


def _first_contact_share(observed: Observation) -> float:
    return metric("tickets_first_contact_per_day")(observed) / metric("tickets_human_per_day")(observed)
