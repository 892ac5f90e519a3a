"""Agents as people: chats that share their attention, absence and breaks, and work that outlasts a shift."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

from sim import theory
from sim.core.clock import NEVER
from sim.metrics.observation.replication import Observation
from sim.selfcheck import measure
from sim.selfcheck.check import Check, Compared
from sim.selfcheck.queues import exponential, lognormal

CHAIN = "Kolmogorov 1931; Wolff 1982"
RENEWAL = "Feller 1971, ch. XI.4"
LINEARITY = "linearity of expectation"
_CROWD, _TURN = 10, 8.0
_ON_DUTY = partial(measure.of_metric, name="agents_on_duty", part="agents")
_OCCUPANCY = partial(measure.occupancy, team="agents")

_DESK = """
title = "{title}"
days = {days}
warmup_days = {warmup}
[categories.caller]
arrivals_per_hour = {rate}
steps.call = {{ queue = "line", handle = {handle} }}
[queues.line]
[shifts]
day = {{ start = "08:00", length = "8 h" }}
[teams.agents]
serves = ["line"]
agents = {agents}
{more}
"""


def checks() -> Iterator[Check]:
    """Yield the checks of the staff."""
    yield _chats("chats-20x2-85", 20, (1.0, 1.25), load=0.85, run=(90, 1))
    yield _chats("chats-20x2-93", 20, (1.0, 1.25), load=0.93, run=(70, 2))
    yield _chats("chats-10x3-80", 10, (1.0, 1.25, 1.5625), load=0.80, run=(200, 1))
    for agents in range(1, 6):
        yield _shrinkage(agents)
    yield _throughput()
    yield _overtime("overtime-exponential", 1 / 6, 1.0, exponential(1 / 6))
    yield _overtime("overtime-lognormal", 1 / 6, 0.5, lognormal(1 / 6, 0.5))


def _chats(name: str, agents: int, stretch: Sequence[float], *, load: float, run: tuple[int, int]) -> Check:
    """The load is a share of what full hands get done; a chat alone takes 10 minutes."""
    most, service = len(stretch), 6.0
    rate = load * agents * most / stretch[-1] * service
    q = theory.shared_attention(arrival_rate=rate, service_rate=service, agents=agents, stretch=stretch)
    return Check(
        name=name,
        scenario=_DESK.format(
            title=f"{agents} agents with up to {most} chats", days=run[0], warmup=run[1], rate=rate,
            handle=exponential(1 / service), agents=agents,
            more=f"concurrency = {most}\nstretch = {list(stretch)}",
        ),
        quantities=(
            Compared("share that waits", q.p_wait, measure.share_waiting),
            Compared("mean wait, h", q.mean_wait, measure.mean_wait),
            Compared("mean time until done, h", q.mean_sojourn, measure.mean_sojourn),
            Compared("occupancy", q.occupancy, _OCCUPANCY),
        ),
        source=CHAIN,
    )  # fmt: skip


def _shrinkage(agents: int) -> Check:
    """Turns of 8 h around the clock; of 30 % shrinkage a third is absence and the rest are breaks."""
    return Check(
        name=f"shrinkage-{agents}",
        scenario=_DESK.format(
            title="Agents of whom 30 % are not there", days=40, warmup=0, rate=0.1, handle=exponential(0.1),
            agents=agents, more="shrinkage = 0.3",
        ),
        quantities=(Compared("mean agents on duty", 0.7 * agents, _ON_DUTY),),
        source=LINEARITY,
    )  # fmt: skip


def _throughput() -> Check:
    """Before a queue that never ends nobody on duty is idle, and who leaves, for a break or for home, ends his call.

    Calls are exponential: hours on duty bring duty / mean, each leaving 1 - exp(-time away / mean). The break that
    begins a turn, that of the first agent, is no leaving.
    """
    mean, absence, share, blocks = 0.25, 0.2, 0.25, 8
    in_break, at_home = (-math.expm1(-away / mean) for away in (_TURN * share / blocks, 24 - _TURN))
    a_day = _CROWD * (_TURN * (1 - share) / mean + blocks * in_break + at_home) - in_break
    return Check(
        name="shrinkage-throughput",
        scenario=_overload(mean, exponential(mean), f"absence = {absence}\nbreaks = {share}\nbreak_blocks = {blocks}"),
        quantities=(
            Compared("tickets done a day", (1 - absence) * a_day, _done_a_day),
            Compared("mean agents on duty", (1 - absence) * (1 - share) * _CROWD * _TURN / 24, _ON_DUTY),
            Compared("occupancy", 1.0, _OCCUPANCY),
        ),
        source=LINEARITY,
    )


def _overtime(name: str, mean: float, cv: float, handle: str) -> Check:
    """Before a queue that never ends each agent's calls are a renewal process, which the end of the shift inspects."""
    late = theory.mean_residual(mean=mean, cv=cv)
    return Check(
        name=name,
        scenario=_overload(mean, handle, ""),
        quantities=(
            Compared(
                "overtime, h a day", _CROWD * late, partial(measure.of_metric, name="overtime_per_day", part="agents")
            ),
            Compared("occupancy", 1.0, _OCCUPANCY),
        ),
        source=RENEWAL,
    )


def _overload(mean: float, handle: str, more: str) -> str:
    """Return a day shift to which in a day twice the calls come that it could answer."""
    return _DESK.format(
        title="A day shift before a queue that never ends", days=30, warmup=0, rate=2 * _CROWD * _TURN / 24 / mean,
        handle=handle, agents=f"{{ day = {_CROWD} }}", more=more,
    )  # fmt: skip


def _done_a_day(observed: Observation) -> float:
    return float((observed.outcome.closed_ms < NEVER).sum()) / observed.days
