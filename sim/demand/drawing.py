"""Seed and replication to ``Demand``: every random number of one replication, drawn before the engine begins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.demand import rows as column
from sim.demand.opening import PERSON_COLUMNS, Bots, day_counts, minute_counts, open_tickets
from sim.demand.recipe import Recipe, candidates_name
from sim.demand.rows import OWN_COLUMNS, ROW_COLUMNS, draw_rows
from sim.demand.table import BotCandidates, Demand, Flow
from sim.itinerary import LEG_COLUMNS, LEG_HANDLE, LEG_PAUSE, LEG_QUEUE
from sim.streams import Key, Streams, name_keys, purpose_key

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_SPARE_ROWS = 1024
_FAMILY_MOST = 4.0


def draw(recipe: Recipe, *, seed: int, replication: int) -> Demand:
    """Return every draw of one replication. Pure: the same arguments give the same bits."""
    streams = Streams(seed, replication)
    root, busyness, even = streams.root, _busyness(recipe, streams), np.ones(recipe.days)
    counts = day_counts(recipe.roots, root, busyness)
    counts_candidates = day_counts(recipe.candidates, root, even)
    people = np.empty((counts.sum() + counts_candidates.sum(), PERSON_COLUMNS), np.int64)
    n_roots, bots = open_tickets(recipe.roots, root, counts, people, 0)
    n, bot_candidates = open_tickets(recipe.candidates, root, counts_candidates, people, n_roots)
    _, posts = open_tickets(recipe.posts, root, day_counts(recipe.posts, root, even), people, n)
    flow = Flow(
        minute_counts(recipe.withdrawals_auto, busyness, root, *_address("withdrawals/auto")),
        minute_counts(recipe.withdrawals_review, busyness, root, *_address("withdrawals/review")),
        np.sort(posts.of(0)[0]),
    )
    tables = draw_rows(recipe.paths, people, n_roots, n, *_room(recipe, n))
    return _demand(recipe, tables, bots, _for_bot(recipe, streams, bot_candidates), flow)


def logins(recipe: Recipe, streams: Streams) -> Ints:
    """Return the logins by the minute of the run. They meet no desk, so they are drawn when they are asked for."""
    return minute_counts(recipe.logins, _busyness(recipe, streams), streams.root, *_address("logins"))


def _address(purpose: str) -> tuple[NDArray[Key], Key]:
    """Return what addresses draws that belong to no source."""
    return name_keys(""), purpose_key(purpose)


def _busyness(recipe: Recipe, streams: Streams) -> Floats:
    """Return each day's factor on demand: gamma of mean 1, shared by all that happens on that day."""
    from scipy.special import gammaincinv

    cv = recipe.scenario.busyness.cv
    if cv == 0:
        return np.ones(recipe.days)
    return gammaincinv(cv**-2, streams.uniforms("", "busyness", np.arange(recipe.days))) * cv**2


def _room(recipe: Recipe, people: int) -> tuple[Ints, Ints, Ints]:
    """Return tables with room, as a rule, for so many first contacts, their children and the legs of all."""
    loops = recipe.paths.loops
    family = 1 / max((1 - loops.recontact_share) * (1 - loops.reopen_share), 1 / _FAMILY_MOST)
    room = round(1.05 * family * people) + _SPARE_ROWS
    shapes = (ROW_COLUMNS, room), (OWN_COLUMNS, room), (LEG_COLUMNS, room + room // 2)
    rows, own, legs = (np.empty(shape, np.int64) for shape in shapes)
    return rows, own, legs


def _for_bot(recipe: Recipe, streams: Streams, bots: Bots) -> tuple[BotCandidates, ...]:
    """Return the candidates that the bot would end, with their marks."""
    out = []
    for number, source in enumerate(recipe.candidates.rows):
        stream, category = int(source["stream"]), int(source["category"])
        opened, ordinals = bots.of(number)
        name = candidates_name(stream, list(recipe.scenario.categories)[category])
        out.append(BotCandidates(stream, category, opened, ordinals, streams.uniforms(name, "mark", ordinals)))
    return tuple(out)


def _demand(recipe: Recipe, tables: Any, bots: Bots, for_bot: tuple[BotCandidates, ...], flow: Flow) -> Demand:
    """Return the Demand that the tables of ``draw_rows`` hold."""
    rows, legs, n, n_legs, mark, regulator = tables
    mine = [bots.of(number) for number in range(len(recipe.scenario.categories))]
    return Demand(
        categories=tuple(recipe.scenario.categories),
        category=rows[column.CATEGORY, :n],
        kind=rows[column.KIND, :n],
        parent=rows[column.PARENT, :n],
        opened_ms=rows[column.OPENED, :n],
        priority=rows[column.PRIORITY, :n],
        patience_ms=rows[column.PATIENCE, :n],
        target_ms=rows[column.TARGET, :n],
        complaint_after_ms=rows[column.COMPLAINT, :n],
        regulator=regulator,
        after_ms=rows[column.AFTER, :n],
        chase=rows[column.CHASE_ROW, :n],
        reopen=rows[column.REOPEN_ROW, :n],
        stream=rows[column.STREAM, :n],
        mark=mark,
        legs_from=rows[column.LEGS_FROM, : n + 1],
        leg_queue=legs[LEG_QUEUE, :n_legs],
        leg_handle_ms=legs[LEG_HANDLE, :n_legs],
        leg_pause_ms=legs[LEG_PAUSE, :n_legs],
        bot_opened_ms=tuple(opened for opened, _ in mine),
        bot_ordinals=tuple(ordinals for _, ordinals in mine),
        flow=flow,
        bot_candidates=for_bot,
    )
