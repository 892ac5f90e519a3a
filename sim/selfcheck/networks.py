"""Several stations: a tandem, and Jackson's network with feedback."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from sim import theory
from sim.metrics.observation.replication import Observation
from sim.selfcheck import measure
from sim.selfcheck.check import Check, Compared
from sim.selfcheck.queues import exponential

ROUTE_LEAST = 1e-7
"""Routes less likely than this are left out: together they are 4 in 100,000 of the load, 0.1 % of its mean queue."""

_TEAM = """
[teams.station_{number}]
serves = ["queue_{number}"]
agents = {agents}
"""


def checks() -> Iterator[Check]:
    """Yield the checks of networks."""
    yield _network(
        "tandem-2",
        external=(5.0, 0.0), routing=((0.0, 1.0), (0.0, 0.0)), services=(6.0, 2.0), agents=(1, 3), run=(200, 5),
        keys=("L.0", "L.1", "W_total"), source="Burke 1956; Jackson 1957",
    )  # fmt: skip
    # The mean number at the first station, at 96 % occupancy, would need half as long a run again.
    yield _network(
        "jackson-feedback",
        external=(40.0, 0.0), routing=((0.08, 0.25), (0.2, 0.0)), services=(4.0, 1.75), agents=(12, 8), run=(185, 3),
        keys=("P_wait.0", "P_wait.1", "L.1", "sojourn_total"), source="Jackson 1957, 1963",
    )  # fmt: skip


def _network(
    name: str,
    *,
    external: Sequence[float],
    routing: Sequence[Sequence[float]],
    services: Sequence[float],
    agents: Sequence[int],
    run: tuple[int, int],
    keys: Sequence[str],
    source: str,
) -> Check:
    """Return a network as a scenario with one ticket category for each route through it, and what ``keys`` name.

    A path is a fixed row of steps, so Markov routing is written by splitting: customers of one route, "station 0,
    then 1, then 0 and out", form a Poisson stream of their own, with the rate of the arrivals times the probability
    of the route. The sum over all routes is the network's distribution exactly; each visit draws its own handling time.
    """
    q = theory.jackson_open(external_rates=external, routing=routing, service_rates=services, servers=agents)
    known: dict[str, tuple[str, float, Callable[[Observation], float]]] = {}
    known[keys[-1]] = ("mean time in the network, h", q.mean_sojourn, measure.mean_sojourn)
    for i, station in enumerate(q.stations):
        there = partial(measure.mean_at, team=f"station_{i}")
        waiting = partial(measure.share_waiting_at, team=f"station_{i}")
        known[f"L.{i}"] = (f"mean number at station {i + 1}", station.mean_in_system, there)
        known[f"P_wait.{i}"] = (f"share that waits at station {i + 1}", station.p_wait, waiting)
    return Check(
        name=name,
        scenario=network_scenario(name, external, routing, services, agents, run),
        quantities=tuple(Compared(*known[key], f"{name}:{key}") for key in keys),
        source=source,
    )


def network_scenario(
    title: str,
    external: Sequence[float],
    routing: Sequence[Sequence[float]],
    services: Sequence[float],
    agents: Sequence[int],
    run: tuple[int, int],
) -> str:
    """Return the network as TOML; rates per hour, ``run`` the days and the days of warm-up before them."""
    lines = [f'title = "{title}"', f"days = {run[0]}", f"warmup_days = {run[1]}"]
    for entry, rate in enumerate(external):
        for route, probability in routes(routing, entry) if rate else ():
            category = "route_" + "_".join(map(str, route))
            lines += [f"[categories.{category}]", f"arrivals_per_hour = {rate * probability:.12f}"]
            for visit, station in enumerate(route):
                on = ", solved = 0" if visit + 1 < len(route) else ""
                handle = exponential(1 / services[station])
                lines.append(f'steps.visit_{visit} = {{ queue = "queue_{station}", handle = {handle}{on} }}')
    return "\n".join(lines) + "".join(_TEAM.format(number=i, agents=n) for i, n in enumerate(agents))


def routes(routing: Sequence[Sequence[float]], entry: int) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield the routes from a station of entry to the exit with their probabilities, down to ``ROUTE_LEAST``."""
    unfinished: list[tuple[tuple[int, ...], float]] = [((entry,), 1.0)]
    while unfinished:
        route, reached = unfinished.pop()
        onward = routing[route[-1]]
        if reached * (1 - sum(onward)) > 0:
            yield route, reached * (1 - sum(onward))
        unfinished += [((*route, i), reached * p) for i, p in enumerate(onward) if reached * p > ROUTE_LEAST]
