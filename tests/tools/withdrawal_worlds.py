"""Random small worlds of withdrawals without a desk: the kernel's steps against a twin of objects, bit by bit.

``python -m tests.tools.withdrawal_worlds --worlds N`` runs many, each of its own seed; ``--seed S`` is the first. Then
it plants faults in the kernel, and prints after how many worlds the twin, which shares no code with it, notices each.
Exit code 1 when any differ, when too few worlds met a feature, or when a fault is not noticed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

import numpy as np

from sim import feedback
from sim.feedback import FeedbackInputs, FeedbackParameters, RumourParameters
from sim.feedback.columns import CLASS_NAMES, FLOAT_NAMES, INT_NAMES, RAIL_NAMES, ROW_NAMES
from tests.support.random_withdrawals import random_flow
from tests.support.twins.slow_feedback import SlowLevels
from tests.support.twins.slow_history import FEATURES, features
from tests.support.worlds import random_rules
from tests.tools.planted_withdrawals import MIXTURES, OTHERS
from tests.tools.planting import WORLDS, interpreted

RAREST_PERMILLE = 2
"""Of so many in a thousand worlds, at least, each feature must be a part."""
LINK = "next"
"""The column of the rows that is the kernel's own."""


@dataclass(frozen=True)
class Difference:
    """A place in which kernel and twin differ first: a column, its minute (or row), rail, and both values."""

    column: str
    at: int
    rail: int
    kernel: float
    twin: float

    def __str__(self) -> str:
        rail = f" of rail {self.rail}" if self.rail >= 0 else ""
        return f"{self.column}{rail} at {self.at}: kernel {self.kernel!r}, twin {self.twin!r}"


@dataclass(frozen=True)
class World:
    """A world of withdrawals: rules, draws, and what the desk says at each tick."""

    rules: FeedbackParameters
    inputs: FeedbackInputs
    posted: list[tuple[int, int, int, int]]


def random_world(rng: Random) -> World:
    """Return a world of up to 24 minutes."""
    rumour = RumourParameters(decay=rng.choice((0.0, 0.5)), admitted_per_complaint=0.25)
    rules, minutes = random_rules(rng, rumour), rng.randint(1, 24)
    posted = []
    for _ in range(minutes):
        complaints = rng.choice((0, 0, 1, 3))
        posted.append((complaints, rng.randint(0, complaints), rng.choice((0, 1, 4)), rng.choice((0, 2, 5))))
    return World(rules, random_flow(rng, rules, minutes), posted)


def run_kernel(world: World, kernel: Any) -> tuple[Any, Any, Any, Any, Any, bool]:
    """Return the kernel's tables after the last tick, and whether drawn times were used up."""
    state = kernel.state_of(world.rules, world.inputs, len(world.posted))
    for minute, posted in enumerate(world.posted):
        kernel.step(minute + 1, posted, state)
    return *kernel.tables_of(state), kernel.exhausted(state)


def run_twin(world: World) -> SlowLevels:
    """Return the twin after the last tick."""
    levels = SlowLevels(world.rules, world.inputs)
    for minute, posted in enumerate(world.posted):
        levels.step(minute, *posted)
    return levels


def differences(world: World, twin: SlowLevels, kernel: Any = feedback) -> list[Difference]:
    """Return where kernel and twin differ, each column's first place, the earliest first."""
    ints, floats, rails, rows, classes, used_up = run_kernel(world, kernel)
    minutes = len(world.posted)
    found: list[Difference] = []
    if used_up != twin.exhausted:
        found.append(Difference("exhausted", minutes, -1, used_up, twin.exhausted))
    for names, table in ((INT_NAMES, ints), (FLOAT_NAMES, floats)):
        assert table.shape == (len(names), minutes)
        for name, column in zip(names, table, strict=True):
            found += _first(name, -1, column, [columns[name] for columns, _ in twin.rows])
    assert rails.shape == (len(world.rules.rails), len(RAIL_NAMES), minutes)
    for rail, of_rail in enumerate(rails):
        for name, column in zip(RAIL_NAMES, of_rail, strict=True):
            found += _first(name, rail, column, [by_rail[rail][name] for _, by_rail in twin.rows])
    found.sort(key=lambda one: one.at)
    kinds = twin.class_table()
    for rail, of_rail in enumerate(classes):
        for column, name in enumerate(CLASS_NAMES):
            found += _first(f"class: {name}", rail, of_rail[:, column], kinds[rail, :, column].tolist())
    table = twin.row_table()
    for column, name in enumerate(ROW_NAMES):
        if name != LINK:
            found += _first(f"row: {name}", -1, rows[column], table[:, column].tolist())
    return found


def _first(name: str, rail: int, kernel: Any, twin: list[Any]) -> list[Difference]:
    """Return the first place where two lists differ in any bit."""
    mine = np.array(twin, kernel.dtype)
    bits, other = (np.ascontiguousarray(one).view(np.int64) for one in (kernel, mine))
    assert bits.shape == other.shape
    return [Difference(name, int(at), rail, kernel[at].item(), twin[at]) for at in np.flatnonzero(bits != other)[:1]]


@dataclass
class Tally:
    """What has been met: worlds, withdrawals, features by the number of worlds, and the worlds that differ."""

    worlds: int = 0
    counted: int = 0
    rows: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    wrong: dict[int, list[str]] = field(default_factory=dict)

    def add(self, seed: int) -> None:
        """Run one world."""
        world = random_world(Random(seed))
        twin = run_twin(world)
        found = differences(world, twin)
        if found:
            self.wrong[seed] = [str(one) for one in found]
        self.worlds += 1
        self.counted += len(twin.withdrawals.counted)
        self.rows += sum(row.attempt > 0 for row in twin.withdrawals.rows)
        self.seen.update(features(twin))

    @property
    def missing(self) -> dict[str, int]:
        """The features that occurred too rarely to prove anything, with their counts."""
        least = self.worlds * RAREST_PERMILLE / 1000
        return {name: self.seen[name] for name in FEATURES if self.seen[name] < least}

    def complaint(self) -> str:
        """Return what went wrong; nothing if all is well."""
        lines = [f"world {seed}: {found[0]} ({len(found)} columns)" for seed, found in self.wrong.items()]
        if self.missing:
            lines.append(f"too rare among {self.worlds:,} worlds to prove anything: {self.missing}")
        return "\n".join(lines[:20] + lines[20:][-1:])

    def summary(self) -> str:
        """Return one line for all."""
        rarest = min(FEATURES, key=lambda name: self.seen[name])
        return (
            f"{self.worlds:,} worlds, {self.counted:,} counted and accepted, {self.rows:,} rows that asked, "
            f"{len(self.wrong):,} worlds differ, coverage {sum(self.seen[name] > 0 for name in FEATURES)} of "
            f"{len(FEATURES)} features, the rarest in {self.seen[rarest]:,} worlds ({rarest})"
        )


@cache
def told(seed: int) -> tuple[World, SlowLevels]:
    """Return a world, and what the twin makes of it."""
    world = random_world(Random(seed))
    return world, run_twin(world)


def noticed(kernel: Any, worlds: int = WORLDS) -> int | None:
    """Return after how many worlds the twin shows that a kernel is wrong; None if it does not."""
    with np.errstate(divide="ignore"):
        return next((seed + 1 for seed in range(worlds) if differences(*told(seed), kernel)), None)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=2_000, help="how many worlds to run")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the first world")
    given = parser.parse_args(arguments)
    tally = Tally()
    for seed in range(given.seed, given.seed + given.worlds):
        tally.add(seed)
    for name in sorted(FEATURES, key=lambda one: -tally.seen[one]):
        print(f"{tally.seen[name]:>10,}  {name}")
    after = {}
    for fault in (*MIXTURES, *OTHERS):
        after[fault.name] = noticed(interpreted(*fault.changes, file="feedback"))
        seen = f"noticed after {after[fault.name]:>4} worlds" if after[fault.name] else "not noticed"
        print(f"{fault.name:<64}{seen}", flush=True)
    print(*filter(None, (tally.complaint(), tally.summary())), sep="\n")
    print(f"{len(after)} planted faults, {sum(n is not None for n in after.values())} noticed by the twin")
    return 1 if tally.wrong or tally.missing or None in after.values() else 0


if __name__ == "__main__":
    sys.exit(main())
