"""One station: Erlang B, C and A, finite waiting rooms, general patience, general service, priorities."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from sim import theory
from sim.selfcheck import measure
from sim.selfcheck.check import Check, Compared

ERLANG_1917 = "Erlang 1917"
PALM = "Palm 1957; Garnett, Mandelbaum and Reiman 2002"
BACCELLI = "Baccelli and Hebuterne 1981; Zeltyn and Mandelbaum 2005"
POLLACZEK = "Pollaczek 1930; Khinchine 1932"

_STATION = """
title = "{title}"
days = {days}
warmup_days = {warmup}
[categories.caller]
arrivals_per_hour = {rate}
complaint_hazard_per_hour = {hazard}
steps.call = {{ queue = "line", handle = {handle} }}
[complaints]
clock = "opening"
[queues.line]
{line}
[teams.agents]
serves = ["line"]
agents = {agents}
"""


def exponential(mean_hours: float) -> str:
    """Return the exponential distribution as a scenario writes it."""
    return f'{{ law = "exponential", mean = "{mean_hours:.9f} h" }}'


def deterministic(hours: float) -> str:
    """Return a fixed duration as a scenario writes it."""
    return f'{{ law = "deterministic", value = "{hours:.9f} h" }}'


def lognormal(mean_hours: float, cv: float) -> str:
    """Return the lognormal distribution as a scenario writes it."""
    return f'{{ law = "lognormal", mean = "{mean_hours:.9f} h", cv = {cv} }}'


def station(
    *,
    title: str,
    rate: float,
    handle: str,
    agents: int,
    days: int,
    warmup: int = 1,
    line: str = "",
    hazard: float = 0.0,
) -> str:
    """Return one queue before one team as a scenario; rates per hour. ``line`` is a key of the queue, and its value."""
    return _STATION.format(
        title=title, rate=rate, handle=handle, agents=agents, days=days, warmup=warmup, hazard=hazard, line=line,
    )  # fmt: skip


def checks() -> Iterator[Check]:
    """Yield the checks of one station."""
    blocked = ((1, 1, 0.5, 100), (2, 5, 3, 100), (3, 10, 9, 30), (4, 50, 45, 35), (5, 200, 210, 9))
    for number, servers, load, days in blocked:
        yield _erlang_b(number, servers, load, days)
    for agents, places, rate, days in ((1, 3, 0.8, 120), (5, 0, 4.0, 60), (8, 12, 9.6, 45)):
        yield _finite(agents, places, rate, days)
    yield _erlang_c("erlangC-1", rate=0.8, service=1.0, agents=1, target=1.0, run=(mm1_days(0.8, 1.0), 30))
    yield _erlang_c("erlangC-2", rate=5.0, service=2.0, agents=3, target=0.25, run=(260, 5))
    yield _erlang_c("erlangC-3", rate=100.0, service=6.0, agents=20, target=1 / 60, run=(18, 1), rare=("Wq",))
    yield _erlang_a("1", rate=48.0, service=2.0, leaving=1.0, agents=20, target=0.25, days=20)
    yield _erlang_a("2", rate=200.0, service=10.0, leaving=5.0, agents=22, target=1 / 180, days=9)
    for name, patience, distribution, days in (
        ("mmnG-exp", theory.exponential_patience(mean=1 / 12), exponential(1 / 12), 7),
        ("mmnG-det", theory.deterministic_patience(value=1 / 12), deterministic(1 / 12), 8),
        ("mmnG-lognormal", theory.lognormal_patience(mean=1 / 12, cv=1.5), lognormal(1 / 12, 1.5), 7),
    ):
        yield _mmn_g(name, patience, distribution, days)
    yield from _mg1()
    yield _cobham("cobham-mmc-np-1", (1.0, 2.0, 3.0), service=4.0, agents=2, run=(300, 2))
    yield _cobham("cobham-mmc-np-2", (10.0, 20.0, 25.0), service=6.0, agents=10, run=(18, 2), rare=("Wq.2",))


def mm1_days(occupancy: float, service_rate: float, *, replications: int = 25) -> int:
    """Return the days of a replication for a standard error of 1.3 % of the mean number in M/M/1, by Whitt 1989."""
    width = 2 * 1.96 * 0.013
    return round(theory.mm1_run_length(occupancy=occupancy, relative_width=width) / service_rate / 24 / replications)


def _erlang_b(number: int, servers: int, load: float, days: int) -> Check:
    """Zero patience: who finds all agents busy is lost, and the engine's patience rule makes it exactly Erlang B."""
    blocked = theory.erlang_b(load=load, servers=servers)
    return Check(
        name=f"erlangB-{number}",
        scenario=station(
            title=f"M/M/{servers}/{servers}", rate=load, handle=exponential(1), agents=servers, days=days,
            warmup=2, line=f"patience = {deterministic(0)}",
        ),
        quantities=(
            Compared("share blocked", blocked, measure.share_left, f"erlangB-{number}:B"),
        ),
        source=ERLANG_1917,
    )  # fmt: skip


def _finite(agents: int, places: int, rate: float, days: int) -> Check:
    """A waiting room of so many places, at an hour of work each: the second has none, and the third is overloaded."""
    q = theory.mmck(arrival_rate=rate, service_rate=1.0, servers=agents, places=places)
    waits = (
        Compared("share of the served that waits", q.p_wait, measure.share_waiting_of_served),
        Compared("mean wait of the served, h", q.mean_wait, measure.mean_wait_of_served),
    )
    return Check(
        name=f"mmcK-{agents}-{agents + places}",
        scenario=station(
            title=f"M/M/{agents}/{agents + places}", rate=rate, handle=exponential(1), agents=agents, days=days,
            warmup=2, line=f"places = {places}",
        ),
        quantities=(
            Compared("share turned away", q.p_blocked, measure.share_turned_away),
            Compared("mean number there", q.mean_in_system, partial(measure.mean_at, team="agents")),
            *(waits if places else ()),
        ),
        source=ERLANG_1917,
    )  # fmt: skip


def _erlang_c(
    name: str,
    *,
    rate: float,
    service: float,
    agents: int,
    target: float,
    run: tuple[int, int],
    rare: tuple[str, ...] = (),
) -> Check:
    """``rare`` names the quantities whose 2 % would need a much longer run; others of the kind are met elsewhere."""
    q = theory.erlang_c(arrival_rate=rate, service_rate=service, servers=agents)
    return Check(
        name=name,
        scenario=station(
            title=f"M/M/{agents}", rate=rate, handle=exponential(1 / service), agents=agents, days=run[0], warmup=run[1]
        ),
        quantities=_but(
            rare,
            Compared("share that waits", q.p_wait, measure.share_waiting, f"{name}:P_wait"),
            Compared("mean wait, h", q.mean_wait, measure.mean_wait, f"{name}:Wq"),
            Compared(
                f"share served within {target * 60:.3g} min", q.service_level(target),
                partial(measure.share_served, within=target), f"{name}:service_level",
            ),
            Compared(
                "mean number there", q.mean_in_system, partial(measure.mean_at, team="agents"), f"{name}:L"
            ),
        ),
        source=ERLANG_1917,
    )  # fmt: skip


def _but(rare: tuple[str, ...], *quantities: Compared) -> tuple[Compared, ...]:
    return tuple(q for q in quantities if q.oracle.partition(":")[2] not in rare)


def _erlang_a(
    number: str, *, rate: float, service: float, leaving: float, agents: int, target: float, days: int
) -> Check:
    a = theory.erlang_a(arrival_rate=rate, service_rate=service, abandon_rate=leaving, servers=agents)
    patience = theory.exponential_patience(mean=1 / leaving)
    g = theory.mmn_g(arrival_rate=rate, service_rate=service, servers=agents, patience=patience, target=target)
    first, second = {"1": "erlangA-1", "2": "erlangA-3"}[number], f"erlangA-SL-{number}"
    return Check(
        name=f"{first}, {second}",
        scenario=station(
            title=f"M/M/{agents}+M", rate=rate, handle=exponential(1 / service), agents=agents, days=days,
            line=f"patience = {exponential(1 / leaving)}",
        ),
        quantities=(
            *_impatient(g, target, second),
            Compared("occupancy", a.occupancy, partial(measure.occupancy, team="agents"), f"{first}:occupancy"),
        ),
        source=PALM,
    )  # fmt: skip


def _impatient(q: theory.ImpatientQueue, target: float, oracle: str) -> Iterator[Compared]:
    minutes, known = f"{target * 60:.3g} min", f"{oracle}:" if oracle else ""
    late = partial(measure.share_waiting, longer_than=target)
    served = partial(measure.share_served, within=target)
    for name, expected, of, key in (
        ("share that waits", q.p_wait, measure.share_waiting, "P_wait"),
        ("share that leaves", q.p_abandon, measure.share_left, "P_abandon"),
        ("mean wait of all, h", q.mean_wait, measure.mean_wait, "E_wait_all"),
        (f"share that waits longer than {minutes}", q.p_wait_beyond_target, late, "P_W_gt_T"),
        (f"share served within {minutes}", q.p_served_within_target, served, "served_within_T"),
    ):
        yield Compared(name, expected, of, known and known + key)


def _mmn_g(name: str, patience: theory.Patience, distribution: str, days: int) -> Check:
    q = theory.mmn_g(arrival_rate=100, service_rate=6, servers=16, patience=patience, target=1 / 60)
    return Check(
        name=name,
        scenario=station(
            title="M/M/16+G", rate=100, handle=exponential(1 / 6), agents=16, days=days,
            line=f"patience = {distribution}",
        ),
        quantities=tuple(_impatient(q, 1 / 60, "" if name == "mmnG-lognormal" else name)),
        source=BACCELLI,
    )  # fmt: skip


def _mg1() -> Iterator[Check]:
    for name, rate, mean, cv, days in (
        ("mg1-lognormal-1", 4.0, 1 / 6, 1.3, 380),
        ("mg1-lognormal-2", 5.0, 0.15, 1.0, 250),
        ("md1", 4.0, 1 / 6, 0.0, 80),
    ):
        q = theory.mg1(arrival_rate=rate, mean_service=mean, cv=cv)
        handle = lognormal(mean, cv) if cv else deterministic(mean)
        yield Check(
            name=name,
            scenario=station(title="M/G/1", rate=rate, handle=handle, agents=1, days=days, warmup=2),
            quantities=(Compared("mean wait, h", q.mean_wait, measure.mean_wait, f"{name}:Wq"),),
            source=POLLACZEK,
        )


_CLASS = """
[categories.class_{number}]
arrivals_per_hour = {rate}
priority = {number}
steps.call = {{ queue = "line", handle = {handle} }}
"""


def _cobham(
    name: str,
    rates: tuple[float, ...],
    *,
    service: float,
    agents: int,
    run: tuple[int, int],
    rare: tuple[str, ...] = (),
) -> Check:
    q = theory.cobham(arrival_rates=rates, service_rate=service, servers=agents)
    handle = exponential(1 / service)
    classes = "".join(_CLASS.format(number=i, rate=rate, handle=handle) for i, rate in enumerate(rates))
    head = f'title = "M/M/{agents} with priorities"\ndays = {run[0]}\nwarmup_days = {run[1]}\n'
    return Check(
        name=name,
        scenario=f'{head}{classes}[teams.agents]\nserves = ["line"]\nagents = {agents}\n',
        quantities=_but(
            rare,
            *(
                Compared(
                    f"mean wait of class {i + 1}, h", expected,
                    partial(measure.mean_wait, category=f"class_{i}"), f"{name}:Wq.{i}",
                )
                for i, expected in enumerate(q.mean_wait)
            ),
            Compared("share that waits", q.p_wait, measure.share_waiting, f"{name}:P_wait"),
        ),
        source="Cobham 1954; Kella and Yechiali 1985",
    )  # fmt: skip
