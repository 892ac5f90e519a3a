"""The swarm: random small worlds, full of ties, in every engine, compared column by column and bit by bit.

``python -m tests.tools.swarm`` runs many and ends with a summary line; with ``--seed N`` it shows one world and
what its engines disagree on. Exit code 1 when any disagree, or when too few worlds met a feature.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from random import Random
from typing import TypeAlias

import numpy as np
from tqdm import tqdm

from sim.core.clock import NEVER
from sim.demand import KINDS, Demand
from sim.engine import compiled
from sim.engine import reference as engine
from sim.engine.outcome import DeskOutcome
from tests.support.features import FEATURES, features
from tests.support.twins.slow_desk import SlowEngine
from tests.support.worlds import Small, random_world

Simulate: TypeAlias = Callable[..., DeskOutcome]
SLOW_EVERY = 4
"""The slow twin takes part in one world of so many."""
RAREST_PERMILLE = 2
"""Of so many in a thousand worlds, at least, each feature must be a part."""


def run(simulate: Simulate, world: Small) -> DeskOutcome:
    """Return what an engine makes of a world."""
    return simulate(world.demand, world.desk, world.parameters, complain_from_opening=world.at_opening)


def slow(demand: Demand, desk: object, rules: object, *, complain_from_opening: bool) -> DeskOutcome:
    """Return what the slow twin makes of a world; it is called as the engines are."""
    return SlowEngine(Small(demand=demand, desk=desk, parameters=rules, at_opening=complain_from_opening)).run()  # type: ignore[arg-type]


def differences(a: DeskOutcome, b: DeskOutcome) -> list[str]:
    """Return the columns in which two outcomes differ: in dtype, shape or any bit, each with the first place."""
    found = []
    for name in (one.name for one in fields(DeskOutcome)):
        x, y = np.asarray(getattr(a, name)), np.asarray(getattr(b, name))
        if (x.dtype, x.shape) != (y.dtype, y.shape):
            found.append(f"{name}: {x.dtype} {x.shape} and {y.dtype} {y.shape}")
        elif x.tobytes() != y.tobytes():
            if not x.shape:
                found.append(f"{name}: {x} and {y}")
                continue
            bits, other = (np.ascontiguousarray(one).view(np.int64) for one in (x, y))
            place = tuple(int(i[0]) for i in np.nonzero(bits != other))
            found.append(f"{name}{list(place)}: {_time(x[place])} and {_time(y[place])}")
    return found


def disagreement(world: Small, definition: DeskOutcome, twin: Simulate) -> list[str]:
    """Return what a twin makes of a world that the definition does not; an engine that fails says how."""
    try:
        return differences(definition, run(twin, world))
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


@dataclass
class Tally:
    """What a swarm has met: worlds, tickets opened, features by the number of worlds, and the worlds that differ."""

    worlds: int = 0
    tickets: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    wrong: dict[int, list[str]] = field(default_factory=dict)

    @property
    def missing(self) -> dict[str, int]:
        """The features that occurred too rarely to prove anything, with their counts."""
        least = self.worlds * RAREST_PERMILLE / 1000
        return {name: self.seen[name] for name in FEATURES if self.seen[name] < least}

    def add(self, seed: int) -> None:
        """Run one world."""
        world = random_world(Random(seed))
        outcome = run(engine.simulate, world)
        found = disagreement(world, outcome, compiled.simulate)
        if seed % SLOW_EVERY == 0:
            found += [f"slow twin: {one}" for one in disagreement(world, outcome, slow)]
        if found:
            self.wrong[seed] = found
        self.worlds += 1
        self.tickets += int((outcome.opened_ms < NEVER).sum())
        self.seen.update(features(world, outcome))

    def complaint(self) -> str:
        """Return what went wrong, with the command that repeats it; nothing if all is well."""
        lines = [
            f"world {seed}: {found[0]}; repeat: python -m tests.tools.swarm --seed {seed}"
            for seed, found in self.wrong.items()
        ]
        if self.missing:
            lines.append(f"too rare among {self.worlds:,} worlds to prove anything: {self.missing}")
        return "\n".join(lines[:20])

    def summary(self) -> str:
        """Return one line for all."""
        rarest = min(FEATURES, key=lambda name: self.seen[name])
        return (
            f"swarm: {self.worlds:,} worlds, {self.tickets:,} tickets, {len(self.wrong):,} differences, "
            f"coverage {sum(self.seen[name] > 0 for name in FEATURES)} of {len(FEATURES)} features, "
            f"the rarest in {self.seen[rarest]:,} worlds ({rarest})"
        )


def swarm(seeds: Iterable[int]) -> Tally:
    """Return the tally of the worlds of these seeds."""
    tally = Tally()
    for seed in seeds:
        tally.add(seed)
    return tally


# --- showing ------------------------------------------------------------------------------------------------------


def show(seed: int) -> bool:
    """Print a world and what becomes of it; return whether the engines agree."""
    world = random_world(Random(seed))
    definition = run(engine.simulate, world)
    print(f"world {seed}\n\n{_desk_text(world)}\n\n{_tickets_text(world, definition)}\n")
    agree = True
    for name, twin in (("compiled", compiled.simulate), ("slow", slow)):
        found = disagreement(world, definition, twin)
        agree = agree and not found
        print(f"SimPy and the {name} twin: " + ("the same" if not found else "\n  " + "\n  ".join(found)))
    return agree


def _desk_text(world: Small) -> str:
    desk, inputs = world.desk, world.demand.inputs
    lines = [f"horizon {desk.horizon_ms} ms, queues {', '.join(desk.queues)}"]
    for number, team in enumerate(desk.teams):
        lines.append(
            f"{team}: ranks {desk.ranks[number]}, holds {desk.concurrency[number]}, {desk.stretch_ppm[number]}"
        )
    for agent, number in enumerate(desk.agent_team.tolist()):
        changes = [(time, *to) for time, one, *to in desk.changes.tolist() if one == agent]
        lines.append(f"agent {agent} of {desk.teams[number]}: (time, duty, productivity) {changes}")
    for number, queue in enumerate(desk.queues):
        then, ages = desk.patience_to[number], desk.ages[number]
        lines.append(
            f"{queue}: prefers {desk.prefers[number]}, patience to {then}, "
            f"ages (after, kind, value) {ages}, places {_time(desk.places[number])}"
        )
    if world.parameters is not None:
        lines.append(f"{world.parameters}, clocks from opening: {world.at_opening}")
        lines.append(f"requests by rail and class, number and cents: {inputs.requests.tolist()}")
        lines.append(f"rows {inputs.rows.drawn.tolist()}")
    return "\n".join(lines)


def _tickets_text(world: Small, outcome: DeskOutcome) -> str:
    demand, lines = world.demand, []
    for row in range(demand.rows):
        columns = ("opened", "after", "patience", "target", "complaint_after")
        drawn = ", ".join(f"{name} {_time(getattr(demand, f'{name}_ms')[row])}" for name in columns)
        legs = range(int(demand.legs_from[row]), int(demand.legs_from[row + 1]))
        moved = dict(zip(demand.moved_to, (_time(one[row]) for one in demand.moved_patience_ms), strict=True))
        path = [
            f"{world.desk.queues[demand.leg_queue[leg]]} {demand.leg_handle_ms[leg]} then {demand.leg_pause_ms[leg]},"
            f" done {_time(outcome.leg_start_ms[leg])} to {_time(outcome.leg_end_ms[leg])} by {outcome.leg_team[leg]}"
            for leg in legs
        ]
        lines.append(
            f"{row}: {KINDS[demand.kind[row]]} of {demand.parent[row]}, {drawn}, "
            f"priority {demand.priority[row]}, stream {demand.stream[row]} "
            f"mark {demand.mark[row]}, patience of the moved {moved}\n   opened {_time(outcome.opened_ms[row])}; "
            + "; ".join(path)
        )
    return "\n".join(lines)


def _time(value: float) -> str:
    return "never" if value == NEVER else str(value)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=200_000, help="how many worlds to run")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first world")
    parser.add_argument("--seed", type=int, help="show the world of this seed instead")
    exogenous = parser.parse_args(arguments)
    if exogenous.seed is not None:
        return 0 if show(exogenous.seed) else 1
    tally = swarm(
        tqdm(range(exogenous.first, exogenous.first + exogenous.worlds), "swarm", unit=" worlds", mininterval=1)
    )
    for name in sorted(FEATURES, key=lambda one: -tally.seen[one]):
        print(f"{tally.seen[name]:>10,}  {name}")
    if os.environ.get("NUMBA_BOUNDSCHECK") == "1":
        print("every index was checked against its bounds")
    print(*filter(None, (tally.complaint(), tally.summary())), sep="\n")
    return 1 if tally.wrong or tally.missing else 0


if __name__ == "__main__":
    sys.exit(main())
