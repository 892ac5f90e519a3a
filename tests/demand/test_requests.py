"""Requests to withdraw as they are drawn: who is counted and who is a row, each looked at by itself."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest

from sim.demand import requests
from sim.demand.requests import MINUTE_STRIDE, RequestLaw, draw_frights, draw_requests, request_law_of, row_share
from sim.feedback.columns import (
    ADDRESS_ROW,
    BREACHING_ROW,
    CLASSES,
    DROPPED_ROW,
    DROPPING,
    FORBIDDEN,
    HELD_ROW,
    NETWORK_ROW,
    PASSING,
    REVIEWED_ROW,
)
from sim.numerics.lognormal import amounts_at, exceeding
from sim.numerics.streams import Streams
from tests.support.stories import near, rich

TICKETS = {"category": "howto", "ceiling_per_hour": 60}
WITHDRAWALS: dict[str, Any] = rich().model_dump(mode="json", exclude_none=True)["withdrawals"] | {
    "assets": {"BTC": 0.2, "ETH": 0.3, "USDT": 0.5},
    "held_share": 0.3,
    "drop_share": 0.1,
    "limits": {
        "amount_usd": 2000, "back_share": 0, "back_after": "1 h", "tickets_per_refusal": 0, "stress_from": 1,
        "stress_to": 2, **TICKETS,
    },
    "jurisdictions": {
        "home": {"share": 0.7, "rule": "allowed"},
        "strict": {"share": 0.2, "rule": "limited", "limit_usd": 800, "breach_share": 0.1, "breach_cost_usd": 50},
        "closed": {"share": 0.1, "rule": "banned", "breach_share": 0.25, "breach_cost_usd": 200},
    },
    "mistakes": {
        "address": {"share": 0.02, **TICKETS}, "network": {"share": 0.05, "recovered_share": 0.5, **TICKETS},
    },
}  # fmt: skip
MEAN, CV = 500.0, 2.0
REVIEW = 0.1
LIMIT, STRICT = 200_000, 80_000


def law(**changes: Any) -> RequestLaw:
    """Return the law of this world, or of one with other keys under [withdrawals]."""
    return request_law_of(rich(withdrawals=WITHDRAWALS | changes), mean_usd=MEAN, cv=CV)


class One(NamedTuple):
    """A request as its own draws make it: what becomes of it if nothing live stops it."""

    minute: int
    rail: int
    cents: int
    forbidden: bool
    flags: int
    cost: int
    dropped: bool
    account: float


def looked_at(streams: Streams, ordinals: np.ndarray, minutes: np.ndarray, name: str = "withdrawal") -> list[One]:
    """Return each request by itself, from its marks and the definitions of the keys."""
    u = {
        purpose: streams.uniforms(name, purpose, ordinals)
        for purpose in (
            "asset", "country", "breach", "review", "held", "drop", "wrong address", "wrong network", "account",
        )
    }  # fmt: skip
    cents = amounts_at(law().amounts, streams.uniforms(name, "amount", ordinals))
    found = []
    for i, minute in enumerate(minutes.tolist()):
        mine = {purpose: float(marks[i]) for purpose, marks in u.items()}
        rail = 0 if mine["asset"] < 0.2 else 1 if mine["asset"] < 0.5 else 2
        country = "home" if mine["country"] < 0.7 else "strict" if mine["country"] < 0.9 else "closed"
        against_law = country == "closed" or (country == "strict" and cents[i] > STRICT)
        past, cost = {"home": (0.0, 0), "strict": (0.1, 5_000), "closed": (0.25, 20_000)}[country]
        breach = against_law and mine["breach"] < past
        reviewed = mine["review"] < REVIEW
        flags = BREACHING_ROW * breach + REVIEWED_ROW * reviewed + HELD_ROW * (reviewed and mine["held"] < 0.3)
        flags += ADDRESS_ROW * (mine["wrong address"] < 0.02) + NETWORK_ROW * (mine["wrong network"] < 0.05)
        # A tenth of both is dropped; of those not reviewed the tenth with the largest marks.
        dropped = mine["drop"] < 0.1 if reviewed else mine["review"] >= 1 - 0.1 * (1 - REVIEW)
        found.append(
            One(minute, rail, int(cents[i]), against_law and not breach, flags, cost * breach, dropped, mine["account"])
        )
    return found


def is_row(one: One) -> bool:
    return not one.forbidden and (one.flags > 0 or one.cents > LIMIT)


COUNTS = np.array([5, 0, 40, 7, 0, 300])


@pytest.mark.parametrize("replication", range(4))
def test_each_request_is_counted_in_its_class_or_is_the_row_that_its_own_draws_make_it(replication: int) -> None:
    streams = Streams(3, replication)
    minutes = np.repeat(np.arange(len(COUNTS)), COUNTS)
    ordinals = minutes * MINUTE_STRIDE + np.concatenate([np.arange(n) for n in COUNTS])
    found = draw_requests(law(), streams, COUNTS, np.full(len(COUNTS), REVIEW))
    counted, rows = np.zeros((3, CLASSES, 2, len(COUNTS)), np.int64), []
    for one in looked_at(streams, ordinals, minutes):
        if is_row(one):
            rows.append(one)
            continue
        kind = FORBIDDEN if one.forbidden else DROPPING if one.dropped else PASSING
        counted[one.rail, kind, :, one.minute] += 1, one.cents
    assert found.requests.tolist() == counted.tolist()
    assert found.rows.drawn.tolist() == [
        [one.minute, one.rail, one.cents, one.flags + DROPPED_ROW * one.dropped, one.cost] for one in rows
    ]
    assert found.rows.account.tolist() == [one.account for one in rows]
    assert len(set(found.rows.keys.tolist())) == len(rows) > 40


def test_what_depositors_ask_for_is_drawn_like_any_request_and_their_rows_are_numbered_behind_the_others() -> None:
    streams, n = Streams(3, 1), 400
    found = draw_frights(law(), streams, n, review=REVIEW, first_row=70)
    all_of_them = looked_at(streams, np.arange(n), np.full(n, -1), "fright")
    assert found.rail.tolist() == [one.rail for one in all_of_them]
    assert found.cents.tolist() == [one.cents for one in all_of_them]
    rows = [i for i, one in enumerate(all_of_them) if is_row(one)]
    assert found.row.tolist() == [70 + rows.index(i) if i in rows else -1 for i in range(n)]
    assert found.rows.drawn[:, 0].tolist() == [-1] * len(rows)
    assert found.rows.drawn[:, 2].tolist() == [all_of_them[i].cents for i in rows]
    for i, one in enumerate(all_of_them):
        if i not in rows:
            assert found.kind[i] == (FORBIDDEN if one.forbidden else DROPPING if one.dropped else PASSING)


# --- at scale: shares and money in closed form ----------------------------------------------------------------------


MANY = np.full(200, 1_500)


@cache
def many(limit_usd: float = 2000.0) -> Any:
    """Return 300,000 requests, under a limit."""
    limits = WITHDRAWALS["limits"] | {"amount_usd": limit_usd}
    return draw_requests(law(limits=limits), Streams(7, 0), MANY, np.full(len(MANY), REVIEW))


def test_each_kind_has_its_share() -> None:
    counted, rows = many()
    n, flags = int(MANY.sum()), rows.drawn[:, 3]
    above = exceeding(800, mean=MEAN, cv=CV)[0]
    barred = 0.2 * above * 0.9 + 0.1 * 0.75
    assert near(counted[:, FORBIDDEN, 0].sum() / n, barred, n)
    breaching = 0.2 * above * 0.1 + 0.1 * 0.25
    for flag, of_all in (
        (BREACHING_ROW, breaching), (REVIEWED_ROW, REVIEW * (1 - barred)), (HELD_ROW, 0.3 * REVIEW * (1 - barred)),
        (ADDRESS_ROW, 0.02 * (1 - barred)), (NETWORK_ROW, 0.05 * (1 - barred)),
        (REVIEWED_ROW | DROPPED_ROW, REVIEW * 0.1 * (1 - barred)),
        (NETWORK_ROW | ADDRESS_ROW, 0.02 * 0.05 * (1 - barred)),
    ):  # fmt: skip
        assert near(((flags & flag) == flag).sum() / n, of_all, n), flag
    dropped = counted[:, DROPPING, 0].sum() + (flags & DROPPED_ROW > 0).sum()
    assert near(dropped / n, 0.1 * (1 - barred), n)
    for rail, share in enumerate((0.2, 0.3, 0.5)):
        assert near((counted[rail, :, 0].sum() + (rows.drawn[:, 1] == rail).sum()) / n, share, n)
    cost = rows.drawn[flags & BREACHING_ROW > 0, 4]
    assert near((cost == 20_000).mean(), 0.025 / breaching, len(cost))


def test_moving_a_limit_redraws_nothing_and_only_makes_rows_of_others() -> None:
    """The country's own limit of 800 dollars lies between these two."""
    low, high = many(300.0), many(3000.0)
    assert high.requests[:, FORBIDDEN].tolist() == low.requests[:, FORBIDDEN].tolist()
    all_of_them = [
        (
            one.requests[:, :, 0].sum() + len(one.rows.drawn),
            one.requests[:, :, 1].sum() + one.rows.drawn[:, 2].sum(),
        )
        for one in (low, high)
    ]
    assert all_of_them[0] == all_of_them[1]
    place = {key: i for i, key in enumerate(low.rows.keys.tolist())}
    same = [place[key] for key in high.rows.keys.tolist()]  # whoever is a row under the higher limit is one here
    assert low.rows.drawn[same].tolist() == high.rows.drawn.tolist()
    assert low.rows.account[same].tolist() == high.rows.account.tolist()
    more = np.setdiff1d(np.arange(len(low.rows.drawn)), same)
    cents, flags = low.rows.drawn[more, 2], low.rows.drawn[more, 3]
    assert ((cents > 30_000) & (cents <= 300_000)).all()
    assert (flags & ~DROPPED_ROW == 0).all()
    above = {usd: exceeding(usd, mean=MEAN, cv=CV)[0] for usd in (300, 800, 3000)}
    lawful = 0.7 * (above[300] - above[3000]) + 0.2 * (above[300] - above[800])
    n = int(MANY.sum())
    assert near(len(more) / n, lawful * (1 - REVIEW) * (1 - 0.02) * (1 - 0.05), n)


def test_the_room_for_rows_is_what_is_expected_and_grows_where_that_is_too_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len(many().rows.drawn) / MANY.sum() <= row_share(law(), REVIEW) < 1
    enough = draw_requests(law(), Streams(7, 0), MANY[:2], np.full(2, REVIEW))
    monkeypatch.setattr(requests, "row_share", lambda *_: 0.0)
    found = draw_requests(law(), Streams(7, 0), MANY[:2], np.full(2, REVIEW))
    assert len(enough.rows.keys) > 500  # many more than are spared
    assert found.rows.drawn.tolist() == enough.rows.drawn.tolist()
    assert found.rows.keys.tolist() == enough.rows.keys.tolist()
    assert found.requests.tolist() == enough.requests.tolist()
