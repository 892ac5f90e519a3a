"""Every ticket of one replication as a table: nothing that was opened is left out."""

from __future__ import annotations

from datetime import UTC, datetime, time

import numpy as np
import polars as pl

from sim.core.clock import NEVER
from sim.core.tables import TICKET_TIMES, TICKETS
from sim.demand import CANDIDATE, KINDS, ROOT
from sim.demand.durations import draw_ms
from sim.engine.outcome import OPEN, OUTCOMES, RESOLVED
from sim.metrics.observation.replication import Observation

_SCHEMA = {column.name: column.dtype for column in TICKETS}


def ticket_table(observed: Observation) -> pl.DataFrame:
    """Return every ticket that was opened, the bot's included, in order of opening (``sim.core.tables.TICKETS``)."""
    start = pl.lit(datetime.combine(observed.model.scenario.start, time(), UTC), pl.Datetime("ms", "UTC"))
    table = pl.concat([_people(observed), *_bot(observed)], how="diagonal").with_columns(
        replication=pl.lit(observed.streams.replication, pl.Int32),
        **{f"{name}_utc": start + pl.duration(milliseconds=f"{name}_ms", time_unit="ms") for name in TICKET_TIMES},
    )
    # The parts are in the order of their tickets. Polars' own sort would take twice the memory.
    return table.select(list(_SCHEMA))[np.argsort(table["opened_ms"].to_numpy(), kind="stable")]


def _people(observed: Observation) -> pl.DataFrame:
    """Return the tickets that went through the engine."""
    demand, outcome, desk = observed.demand, observed.outcome, observed.desk
    first, nobody = demand.legs_from[:-1], ""
    opened = np.flatnonzero(outcome.opened_ms < observed.to_ms)
    columns = {
        "ticket": np.arange(demand.rows),
        "category": np.array(demand.categories)[demand.category],
        "kind": np.array(KINDS)[demand.kind],
        "parent": demand.parent,
        "queue": np.array(desk.queues)[demand.leg_queue[first]],
        "team": np.array([*desk.teams, nobody])[outcome.leg_team[first]],
        "target_ms": demand.target_ms,
        "opened_ms": outcome.opened_ms,
        "moved_ms": outcome.moved_ms,
        "bot": np.zeros(demand.rows, dtype=bool),
        "first_start_ms": outcome.first_start_ms,
        "first_end_ms": outcome.first_end_ms,
        "closed_ms": outcome.closed_ms,
        "outcome": np.array(OUTCOMES)[outcome.outcome],
        "legs": np.diff(demand.legs_from),
        "complaint_ms": observed.complaint_ms,
        "regulator_ms": observed.regulator_ms,
    }
    return _typed(pl.DataFrame({name: values[opened] for name, values in columns.items()}))


def _bot(observed: Observation) -> list[pl.DataFrame]:
    """Return the roots that the bot ended; numbered after the engine's rows, which they never entered."""
    bot, names = observed.model.scenario.bot, observed.demand.categories
    of_set = [*range(len(names)), *(one.category for one in observed.demand.bot_candidates)]
    first, parts = observed.demand.rows, []
    for number, (opened, ordinals, stream) in zip(of_set, observed.bot_roots, strict=True):
        if not len(opened) or bot is None:
            continue
        closed = opened + draw_ms(bot.handle, observed.streams.uniforms(stream, ":bot/handle", ordinals))
        ended = closed < observed.to_ms
        columns = {
            "ticket": first + np.arange(len(opened)),
            "category": np.full(len(opened), names[number]),
            "kind": np.full(len(opened), KINDS[ROOT if stream == names[number] else CANDIDATE]),
            "parent": np.full(len(opened), -1),
            "opened_ms": opened,
            "bot": np.full(len(opened), True),
            "closed_ms": np.where(ended, closed, NEVER),
            "outcome": np.where(ended, OUTCOMES[RESOLVED], OUTCOMES[OPEN]),
            "legs": np.zeros(len(opened), dtype=np.int64),
        }
        parts.append(_typed(pl.DataFrame(columns)))
        first += len(opened)
    return parts


def _typed(table: pl.DataFrame) -> pl.DataFrame:
    """Return the columns in their types, with null for what never came and for nobody."""
    typed = table.cast({name: dtype for name, dtype in _SCHEMA.items() if name in table.columns})
    times = [name for name in table.columns if name.endswith("_ms")]
    return typed.with_columns(pl.col(name).replace(NEVER, None) for name in times).with_columns(
        *([pl.col("team").replace("", None)] if "team" in table.columns else [])
    )
