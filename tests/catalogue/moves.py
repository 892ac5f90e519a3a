"""What the changes of the checklist move in the small world of checklist_world.toml, and whether it is what they say.

``python -m tests.catalogue.moves`` prints what should stand in each line today, and changes nothing; with a number of
seeds behind it, it shows what other seeds give beside it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from functools import lru_cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from sim.core.tables import TICKETS
from sim.experiment.replication import observe
from sim.experiment.request_trace import arrivals, busiest_window
from sim.metrics.hourly import hourly
from sim.metrics.observation.replication import Observation
from sim.metrics.registry import measure
from sim.metrics.ticket_table import ticket_table
from sim.model.model import build
from sim.scenario import load
from sim.studies.checklist import Bound, Change, changes, is_text, plain, signed, toml

WORLD = Path(__file__).with_name("checklist_world.toml")
SEED = 1
TIMES = tuple(column.name for column in TICKETS if column.unit == "ms since start" and column.name != "opened_ms")
"""Columns of tickets that count from a ticket's opening; a ticket that never came so far is left out of their means."""
Number = float | Mapping[str, float]
"""What stands for an output: one number, or of a column of text the share of each value."""


class Seen:
    """One replication of the small world, number by number."""

    def __init__(self, observed: Observation) -> None:
        self.observed, self.metrics = observed, measure(observed)

    def value(self, name: str) -> Number | None:
        """Return a metric, or what stands for a column or series; None where there is none."""
        table, _, rest = name.partition("/")
        if not rest:
            return self.metrics[name]
        if table == "tickets":
            return _of_tickets(ticket_table(self.observed), rest)
        if table == "arrivals":
            return _of_column(arrivals(self.observed, busiest_window(self.observed))[rest])
        entity, _, series = rest.partition("/")
        hours = hourly(self.observed)[entity, series]
        known = hours[~np.isnan(hours)]
        return float(known.mean()) if len(known) else None


@lru_cache(maxsize=16)  # a run in every detail is large, and hardly any but the plain one is wanted again
def seen(sets: tuple[str, ...], seed: int = SEED) -> Seen:
    """Return the first replication of the small world with some settings."""
    return Seen(observe(build(load(WORLD, sets=sets)), seed=seed, replication=0))


def move(before: Number, after: Number) -> float:
    """Return by how much a number rose; of shares, which share of the rows would have to take another value."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return sum(abs(after.get(value, 0.0) - before.get(value, 0.0)) for value in {**before, **after}) / 2
    assert isinstance(before, float | int)
    assert isinstance(after, float | int)
    return after - before


def assert_moves(change: Change) -> None:
    """Assert that each output moves as the change says, from one run of the small world to another."""
    base, changed = seen(change.base), seen(change.changed)
    for name, bound in change.moves.items():
        before, after = base.value(name), changed.value(name)
        assert before is not None, f"{change}: {name} has no value, so nothing can be seen"
        assert after is not None, f"{change}: {name} has no value, so nothing can be seen"
        moved = move(before, after)
        assert bound.holds(moved), f"{told(change, name, before, after)}; must {_rule(bound)}: {_advice(bound, moved)}"


def told(change: Change, name: str, before: Number, after: Number) -> str:
    """Return what became of an output, in words."""
    what, moved = f"{change.key} = {toml(change.to)}: {name}", move(before, after)
    if isinstance(before, Mapping) or isinstance(after, Mapping):
        return f"{what} differs in {moved:.3g} of its rows"
    return f"{what} went from {plain(before)} to {plain(after)} ({signed(moved)})"


def half(name: str, moved: float) -> str:
    """Return half of a move as a bound reads: two digits, towards zero, so that half of the move reaches it."""
    size = Decimal(repr(abs(float(moved)) / 2))
    if not size:
        return "0"
    short = size.quantize(Decimal((0, (1,), size.adjusted() - 1)), rounding=ROUND_DOWN).normalize()
    return f"{'' if is_text(name) else '+' if moved > 0 else '-'}{short:f}"


def write_prices(folder: Path) -> None:
    """Write two price histories, for the keys that act on real candles alone."""
    for name, seed in (("candles.csv", 1), ("other.csv", 2)):
        rng, price, lines = Random(seed), 100.0, ["date,open,high,low,close,volume"]
        for hour in range(24 * 50):
            price *= 1 + rng.gauss(0, 0.004 + 0.004 * (hour // 24 % 5))
            when = f"{datetime(2026, 1, 1) + timedelta(hours=hour):%Y-%m-%d %H:%M}"
            lines.append(",".join([when, *[f"{price:.4f}"] * 4, "1"]))
        (folder / name).write_text("\n".join(lines))


def measured(change: Change, seeds: int = 1) -> Iterator[str]:
    """Yield what should stand in a change's line today, then what each output did, and does with other seeds."""
    pairs = {name: _pairs(change, name, seeds) for name in change.moves}
    moves = {name: [move(*pair) if pair else None for pair in of] for name, of in pairs.items()}
    bounds = [f'{_key(name)} = "{half(name, of[0] or 0.0)}"' for name, of in moves.items()]
    yield f"{change}: moves = {{ {', '.join(bounds)} }}"
    for name, bound in change.moves.items():
        as_told = signed if bound.sign else plain
        pair = pairs[name][0]
        line = told(change, name, *pair) if pair else f"{name} has no value"
        others = " ".join("none" if one is None else as_told(one) for one in moves[name][1:])
        yield f"    {line}; stands at {bound}{f'; other seeds: {others}' if others else ''}"


def _of_tickets(table: pl.DataFrame, column: str) -> Number | None:
    """Return what stands for a column of the tickets: of a time, the mean from the opening on of those that have it."""
    if column not in TIMES:
        return _of_column(table[column])
    reached = table.filter(pl.col(column).is_not_null())
    return _of_column(reached[column] - reached["opened_ms"])


def _of_column(column: pl.Series) -> Number | None:
    if not len(column):
        return None
    if column.dtype == pl.String():
        return dict(column.value_counts(normalize=True).iter_rows())
    return float(column.to_numpy().mean())


def _pairs(change: Change, name: str, seeds: int) -> list[tuple[Number, Number] | None]:
    """Return, by seed, what an output was before the change and after it; None where it has no value."""
    found: list[tuple[Number, Number] | None] = []
    for seed in range(SEED, SEED + seeds):
        before, after = seen(change.base, seed).value(name), seen(change.changed, seed).value(name)
        found.append(None if before is None or after is None else (before, after))
    return found


def _rule(bound: Bound) -> str:
    return f"move by at least {bound}" if bound.sign else f"differ in at least {bound}"


def _advice(bound: Bound, moved: float) -> str:
    """Return what to think of a move that is not as it stands."""
    if not moved:
        return "a key without effect is a defect"
    if moved * (bound.sign or 1) < 0:
        return "a key that acts the wrong way is a defect"
    return "it hardly acts; where that is meant, python -m tests.catalogue.moves prints the bound of today"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def _main(arguments: list[str]) -> None:
    seeds = int(arguments[0]) if arguments else 1
    with TemporaryDirectory() as folder, chdir(folder):
        write_prices(Path(folder))
        for change in changes():
            sys.stdout.write("\n".join(measured(change, seeds)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _main(sys.argv[1:])
