"""Seed and replication to ``Demand``: every random number of one replication, drawn before the engine begins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Floats, Ints
from sim.core.clock import DAY_MS, MINUTE_MS
from sim.demand import tickets as column
from sim.demand.arrivals import (
    PERSON_CATEGORY,
    PERSON_COLUMNS,
    PERSON_OPENED,
    Bots,
    day_counts,
    minute_counts,
    open_tickets,
)
from sim.demand.ceilings import extra_layers
from sim.demand.demand import BotCandidates, Demand, marks_in_layer, share_held
from sim.demand.expected import ExpectedDemand, Sources, candidates_name
from sim.demand.itineraries import LEG_COLUMNS, LEG_HANDLE, LEG_HOLD, LEG_PAUSE, LEG_QUEUE
from sim.demand.tickets import OWN_COLUMNS, ROW_COLUMNS, draw_rows
from sim.demand.withdrawals import draw_inputs
from sim.feedback import STREAMS, FeedbackInputs
from sim.numerics.streams import Key, Streams, name_keys, purpose_key

_SPARE_ROWS = 1024
_FAMILY_MOST = 4.0


def draw(expected: ExpectedDemand, *, seed: int, replication: int, extra_draws: int = 0) -> Demand:
    """Return every draw of one replication. Pure: the same arguments give the same bits.

    With each of the ``extra_draws`` there is 8 times as much of what feedback may use without limit, candidates without
    a ceiling included; the first of it is the same.
    """
    streams = Streams(seed, replication)
    root, busyness, even = streams.root, _busyness(expected, streams), np.ones(expected.days)
    counts = day_counts(expected.roots, root, busyness)
    layers = extra_layers(expected.scenario, extra_draws)
    candidates = _in_layers(expected, layers)
    counts_candidates = day_counts(candidates, root, even)
    people = np.empty((counts.sum() + counts_candidates.sum(), PERSON_COLUMNS), np.int64)
    n_roots, bots = open_tickets(expected.roots, root, counts, people, 0)
    n, bot_candidates = open_tickets(candidates, root, counts_candidates, people, n_roots)
    _, posts = open_tickets(expected.posts, root, day_counts(expected.posts, root, even), people, n)
    background, campaigns, spam = _of_nobody(expected, posts)
    inputs = draw_inputs(
        expected.withdrawals,
        expected.scenario,
        streams,
        counts=minute_counts(expected.withdrawals.per_minute, busyness, root, *_address("withdrawals")),
        posts_ms=(background, campaigns),
        others=_other_requests(expected, streams, bots, spam, people[:n_roots]) if expected.scenario.gateway else None,
        extra_draws=extra_draws,
    )
    tables = draw_rows(expected.paths, people, n, *_room(expected, n))
    for_bot = _for_bot(expected, streams, candidates, bot_candidates)
    held_shares = tuple(share_held(layers.get(stream, 0)) for stream in range(len(STREAMS)))
    return replace(_demand(expected, tables, (bots, for_bot, spam), inputs), held_shares=held_shares)


def _in_layers(expected: ExpectedDemand, layers: dict[int, int]) -> Sources:
    """Return the sources of the candidates, and of so many layers of each stream beyond the first."""
    out, names = expected.candidates, list(expected.scenario.categories)
    for layer in range(1, max(layers.values(), default=0) + 1):
        at = [n for n, one in enumerate(expected.candidates.rows) if layers.get(int(one["stream"]), 0) >= layer]
        rows = expected.candidates.rows[at].copy()
        for one in rows:
            one["key0"], one["key1"] = name_keys(candidates_name(one["stream"], names[one["category"]], layer))
        rows["layer"], more = layer, share_held(layer) - share_held(layer - 1)
        out = out._replace(
            rows=np.concatenate([out.rows, rows]),
            expected=np.concatenate([out.expected, expected.candidates.expected[at] * more]),
            bot=np.concatenate([out.bot, expected.candidates.bot[at]]),
            spread=np.concatenate([out.spread, expected.candidates.spread[at]]),
        )
    return out


def _of_nobody(expected: ExpectedDemand, posts: Bots) -> tuple[Ints, Ints, Ints]:
    """Return the times, in order, of the background's posts, the campaigns' posts, and their worthless tickets."""
    first_spam = 1 + len(expected.scenario.campaigns)
    sources = range(1), range(1, first_spam), range(first_spam, len(expected.posts.rows))
    none = np.empty(0, np.int64)
    background, campaigns, spam = (np.concatenate([none, *(posts.of(n)[0] for n in mine)]) for mine in sources)
    return np.sort(background), np.sort(campaigns), np.sort(spam)


def _other_requests(
    expected: ExpectedDemand, streams: Streams, bots: Bots, spam: Ints, roots: Ints
) -> tuple[Ints, Ints]:
    """Return by the minute the requests that reach the endpoints whatever the live state: logins, tickets that the bot
    or a filter ends; and those of newcomers, documents for people included, if distrust keeps nobody away.

    What the live state decides is added there. Tickets of feedback levels that the bot ends are left out: they are
    few beside logins and status requests.
    """
    always = logins(expected, streams) + per_minute(spam, expected.days)
    for number in range(len(expected.scenario.categories)):
        always += per_minute(bots.of(number)[0], expected.days)
    newcomers = np.zeros(len(always), np.int64)
    for counts in onboarding(expected, streams).values():
        newcomers += counts
    if expected.newcomer_flows and expected.newcomer_flows.newcomers.review_category:
        documents = list(expected.scenario.categories).index(expected.newcomer_flows.newcomers.review_category)
        sent = roots[roots[:, PERSON_CATEGORY] == documents, PERSON_OPENED]
        newcomers += per_minute(sent, expected.days)
    return always, newcomers


def per_minute(time_ms: Ints, days: int) -> Ints:
    """Return the count of the times in each minute of a run of the given days."""
    return np.bincount(time_ms // MINUTE_MS, minlength=days * DAY_MS // MINUTE_MS)


def logins(expected: ExpectedDemand, streams: Streams) -> Ints:
    """Return the logins by the minute of the run. They meet no desk, so they are drawn when they are asked for."""
    return minute_counts(expected.logins, _busyness(expected, streams), streams.root, *_address("logins"))


def onboarding(expected: ExpectedDemand, streams: Streams, share: Floats | float = 1.0) -> dict[str, Ints]:
    """Return by endpoint the newcomers' requests by the minute of the run, but for the documents that people review.

    ``share`` is by the minute the share of newcomers who do not stay away; a lower one only takes requests away.
    """
    newcomers = expected.newcomer_flows
    if newcomers is None:
        return {}
    automatic = newcomers.kyc_per_hour - newcomers.reviews_per_hour
    flows = {
        "signup": (newcomers.signups_per_hour, newcomers.signups),
        "kyc": (automatic, newcomers.kyc),
        "deposit": (newcomers.deposits_per_hour, newcomers.deposits),
    }
    busyness = _busyness(expected, streams)
    return {
        name: minute_counts(
            expected.profile.times(factor).expected(MINUTE_MS) * per_hour * share,
            busyness,
            streams.root,
            *_address(name),
        )
        for name, (per_hour, factor) in flows.items()
    }


def _address(purpose: str) -> tuple[NDArray[Key], Key]:
    """Return what addresses draws that belong to no source."""
    return name_keys(""), purpose_key(purpose)


def _busyness(expected: ExpectedDemand, streams: Streams) -> Floats:
    """Return each day's factor on demand: gamma of mean 1, shared by all that happens on that day."""
    from scipy.special import gammaincinv

    cv = expected.scenario.busyness.cv
    if cv == 0:
        return np.ones(expected.days)
    return gammaincinv(cv**-2, streams.uniforms("", "busyness", np.arange(expected.days))) * cv**2


def _room(expected: ExpectedDemand, people: int) -> tuple[Ints, Ints, Ints]:
    """Return tables with room, usually, for ``people`` first contacts, their children and the legs of all."""
    loops = expected.paths.loops
    family = 1 / max((1 - loops.recontact_share) * (1 - loops.reopen_share), 1 / _FAMILY_MOST)
    room = round(1.05 * family * people) + _SPARE_ROWS
    shapes = (ROW_COLUMNS, room), (OWN_COLUMNS, room), (LEG_COLUMNS, room + room // 2)
    rows, own, legs = (np.empty(shape, np.int64) for shape in shapes)
    return rows, own, legs


def _for_bot(expected: ExpectedDemand, streams: Streams, candidates: Sources, bots: Bots) -> tuple[BotCandidates, ...]:
    """Return the candidates that the bot would end, with their marks."""
    out = []
    for number, source in enumerate(candidates.rows):
        stream, category, layer = int(source["stream"]), int(source["category"]), int(source["layer"])
        opened, ordinals = bots.of(number)
        name = candidates_name(stream, list(expected.scenario.categories)[category], layer)
        mark = marks_in_layer(streams.uniforms(name, "mark", ordinals), layer)
        out.append(BotCandidates(stream, category, layer, opened, ordinals, mark))
    return tuple(out)


def _demand(
    expected: ExpectedDemand,
    tables: Any,
    without_row: tuple[Bots, tuple[BotCandidates, ...], Ints],
    inputs: FeedbackInputs,
) -> Demand:
    """Return the Demand that the tables of ``draw_rows`` hold, and what has no row: bot-ended tickets, spam."""
    bots, for_bot, spam_ms = without_row
    rows, legs, n, n_legs, mark, regulator, moved_patience_ms = tables
    mine = [bots.of(number) for number in range(len(expected.scenario.categories))]
    return Demand(
        categories=tuple(expected.scenario.categories),
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
        leg_hold_ms=legs[LEG_HOLD, :n_legs],
        bot_opened_ms=tuple(opened for opened, _ in mine),
        bot_ordinals=tuple(ordinals for _, ordinals in mine),
        inputs=inputs,
        bot_candidates=for_bot,
        spam_ms=spam_ms,
        moved_to=tuple(expected.paths.moved["queue"].tolist()),
        moved_patience_ms=moved_patience_ms,
        closed_ms=np.array(expected.policy.closed_ms("tickets"), np.int64).reshape(-1, 2),
        unanswerable=tuple(
            number
            for number, name in enumerate(expected.scenario.categories)
            if name in expected.scenario.complaints.unanswerable
        ),
    )
