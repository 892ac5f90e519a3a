"""What is drawn: independent streams (one change, one difference), rows in order, and counts in law."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from sim.core.clock import DAY_MS, HOUR_MS, MINUTE_MS, NEVER
from sim.demand import CANDIDATE, CHASE, REOPEN, ROOT, Demand, expected_demand_of, logins
from sim.demand.expected import Sources
from sim.drivers.market import market_of
from sim.feedback import LATE_STREAM, RUMOUR_STREAM
from sim.feedback.columns import REVIEWED_ROW, ROW_FLAGS, ROW_MINUTE
from sim.numerics.streams import Streams
from sim.scenario import Scenario
from sim.scenario.schema.routes import queue_names
from tests.support.stories import category, drawn, escalating, fixed, near, rich, story

M = MINUTE_MS


def arrays(demand: Demand) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every array of a demand with its name."""
    for field in fields(demand):
        value = getattr(demand, field.name)
        if field.name == "inputs":
            yield from flows(demand)
        elif field.name == "bot_candidates":
            yield from ((f"bot_candidates.{f.name}", getattr(one, f.name)) for one in value for f in fields(one)[3:])
        elif isinstance(value, tuple):
            yield from ((f"{field.name}.{i}", np.asarray(part)) for i, part in enumerate(value))
        else:
            yield field.name, value


def flows(demand: Demand) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays of a demand's inputs, each with its name."""
    inputs, rows = demand.inputs, demand.inputs.rows
    yield from ((f"inputs.{f.name}", getattr(inputs, f.name)) for f in fields(inputs) if f.name != "rows")
    yield from ((f"inputs.rows.{f.name}", getattr(rows, f.name)) for f in fields(rows))


def unlike(a: Demand, b: Demand) -> list[str]:
    """Return the names of the arrays in which two demands differ."""
    return [name for (name, x), (_, y) in zip(arrays(a), arrays(b), strict=True) if x.tobytes() != y.tobytes()]


def tickets(scenario: Scenario, demand: Demand, *, leave_out: tuple[str, ...] = ()) -> dict[str, Counter]:
    """Return by category every root and candidate with all that was drawn for it and its descendants.

    Row numbers are left out, since they count other tickets too; queues go by their names.
    """
    queues = queue_names(scenario)
    names = ("kind", "opened_ms", "priority", "patience_ms", "target_ms", "complaint_after_ms", "regulator",
             "after_ms", "stream", "mark")  # fmt: skip
    columns = {name: getattr(demand, name).tolist() for name in names if name not in leave_out}
    legs = list(
        zip(
            [queues[q] for q in demand.leg_queue],
            demand.leg_handle_ms.tolist(),
            demand.leg_pause_ms.tolist(),
            demand.leg_hold_ms.tolist(),
            strict=True,
        )
    )

    def whole(row: Any) -> tuple:
        own = tuple(values[row] for values in columns.values())
        itinerary = () if "legs" in leave_out else tuple(legs[demand.legs_from[row] : demand.legs_from[row + 1]])
        children = [
            whole(child) if child >= 0 and name not in leave_out else None
            for name, child in (("chase", demand.chase[row]), ("reopen", demand.reopen[row]))
        ]
        return (*own, itinerary, *children)

    found: dict[str, Counter] = {name: Counter() for name in demand.categories}
    for row in np.flatnonzero(demand.parent < 0):
        found[demand.categories[demand.category[row]]][whole(row)] += 1
    return found


def early(found: dict[str, Counter], before: int) -> dict[str, Counter]:
    """Return the tickets opened before a time."""
    return {n: Counter({t: k for t, k in c.items() if t[1] < before}) for n, c in found.items()}


# --- independence -------------------------------------------------------------------------------------------------


def logins_of(scenario: Scenario) -> np.ndarray:
    return logins(expected_demand_of(scenario, market_of(scenario)), Streams(1, 0))


def test_the_same_arguments_give_the_same_bits() -> None:
    assert unlike(drawn(rich()), drawn(rich())) == []


def test_another_seed_and_another_replication_are_other_draws() -> None:
    one = drawn(rich())
    for other in (drawn(rich(), seed=2), drawn(rich(), replication=1)):
        assert len(set(one.opened_ms.tolist()) & set(other.opened_ms.tolist())) < 20
        assert len(set(one.leg_handle_ms.tolist()) & set(other.leg_handle_ms.tolist())) < 20
        assert one.inputs.withdrawals.tolist() != other.inputs.withdrawals.tolist()


def test_another_staffing_meets_the_same_customers() -> None:
    teams = {"front": {"serves": ["inbox"], "agents": 9}, "extra": {"serves": ["finance", "security"], "agents": 1}}
    assert unlike(drawn(rich()), drawn(rich(teams=teams, staffing={"shrinkage": 0.3}))) == []


def test_another_category_leaves_every_other_draw_as_it_was() -> None:
    few = rich()
    more = rich(categories={"first": category(9.0)} | _categories(few) | {"last": escalating(3.0)})
    a, b = drawn(few), drawn(more)
    before, after = tickets(few, a), tickets(more, b)
    assert {name: after[name] for name in before} == before
    assert len(after["first"]) > 50
    assert unlike_flows(a, b) == []
    for i, name in enumerate(a.categories):
        assert a.bot_opened_ms[i].tolist() == b.bot_opened_ms[b.categories.index(name)].tolist()


def _categories(scenario: Scenario) -> dict[str, Any]:
    return scenario.model_dump(mode="json")["categories"]


def unlike_flows(a: Demand, b: Demand) -> list[str]:
    return [name for (name, x), (_, y) in zip(flows(a), flows(b), strict=True) if x.tobytes() != y.tobytes()]


def test_a_better_bot_moves_tickets_across_the_line_and_redraws_none() -> None:
    few, more = rich(), rich(categories={n: c | {"bot_resolve": 0.8} for n, c in _categories(rich()).items()})
    a, b = drawn(few), drawn(more)
    roots = [{n: Counter({t: k for t, k in c.items() if t[0] == ROOT}) for n, c in tickets(s, d).items()}
             for s, d in ((few, a), (more, b))]  # fmt: skip
    for number, name in enumerate(a.categories):
        assert roots[1][name] <= roots[0][name]
        assert 0 < roots[1][name].total() < roots[0][name].total()
        both = [
            [*d.bot_opened_ms[number], *(t[1] for t in r[name].elements())] for d, r in zip((a, b), roots, strict=True)
        ]
        assert sorted(both[0]) == sorted(both[1])
    assert unlike_flows(a, b) == []


def test_a_longer_run_leaves_its_beginning_as_it_was() -> None:
    short, long = rich(days=2), rich(days=5)
    a, b = drawn(short), drawn(long)
    horizon = 3 * DAY_MS
    assert early(tickets(long, b), horizon) == tickets(short, a)
    assert logins_of(long)[: 3 * 1440].tolist() == logins_of(short).tolist()
    assert b.inputs.requests[..., : 3 * 1440].tolist() == a.inputs.requests.tolist()
    known = b.inputs.rows.drawn[:, ROW_MINUTE] < 3 * 1440
    assert b.inputs.rows.drawn[known].tolist() == a.inputs.rows.drawn.tolist()
    assert b.inputs.rows.keys[known].tolist() == a.inputs.rows.keys.tolist()
    assert b.inputs.posts_ms[b.inputs.posts_ms < horizon].tolist() == a.inputs.posts_ms.tolist()


def test_a_shock_on_one_day_leaves_every_other_day_as_it_was() -> None:
    """Bit for bit, also where sums of rates before a day differ in their last digits."""
    busy = {"howto": category(400.0, handle=fixed("1 min"))}
    calm = story(days=28, categories=busy)
    shock = {"crash": {"at": "2 d", "length": "7 h", "tickets": 2.7, "withdrawals": 4.0, "logins": 3.3}}
    shaken = story(days=28, categories=busy, shocks=shock)
    for replication in range(2):
        a, b = drawn(calm, replication=replication), drawn(shaken, replication=replication)
        x, y = a.opened_ms, b.opened_ms
        assert (x // DAY_MS == 2).sum() * 1.3 < (y // DAY_MS == 2).sum()
        assert x[x // DAY_MS != 2].tolist() == y[y // DAY_MS != 2].tolist()


def test_what_a_day_expects_does_not_depend_on_how_busy_another_is() -> None:
    """To the last bit: sums over earlier days, a million times as busy, would round it off."""
    shock = {"crash": {"at": "30 h", "length": "7 h", "tickets": 1e6, "withdrawals": 1e6, "logins": 1e6}}
    calm, shaken = (expected_demand_of(s, market_of(s)) for s in (rich(days=20), rich(days=20, shocks=shock)))
    assert calm.roots.expected[:, 2].max() * 1e5 < shaken.roots.expected[:, 2].max()
    other = np.arange(21) != 2
    assert calm.roots.expected[:, other].tobytes() == shaken.roots.expected[:, other].tobytes()
    for day in np.flatnonzero(other):
        assert day_s_pieces(calm.roots, day) == day_s_pieces(shaken.roots, day)
    for withdrawals_and_logins in zip(
        *((one.withdrawals.per_minute, one.withdrawals.review, one.logins) for one in (calm, shaken)), strict=True
    ):
        by_day = [line.reshape(21, 1440)[other] for line in withdrawals_and_logins]
        assert by_day[0].tobytes() == by_day[1].tobytes()


def day_s_pieces(sources: Sources, day: int) -> bytes:
    """Return how the first source's arrivals are spread over a day."""
    first = sources.guide[sources.spread[0, day], 0]
    size = np.argmax(sources.pieces["until"][first:] == 1.0) + 1
    return sources.pieces[first : first + size].tobytes()


def test_a_shock_of_one_category_leaves_the_others_as_they_were() -> None:
    shock = {"leak": {"at": "1 d", "length": "1 d", "tickets": 5.0, "categories": ["howto"]}}
    calm, shaken = rich(), rich(shocks=shock)
    a, b = tickets(calm, drawn(calm)), tickets(shaken, drawn(shaken))
    assert a["payout"] == b["payout"]
    assert a["howto"].total() < b["howto"].total()
    assert unlike_flows(drawn(calm), drawn(shaken)) == []


CHANGES: list[tuple[str, dict[str, Any], str]] = [
    ("queues", {"inbox": {"patience": fixed("9 h")}}, "patience_ms"),
    ("queues", {"inbox": {"target": "2 h"}}, "target_ms"),
    ("regulator", {"share": 0.9}, "regulator"),
    ("complaints", {"background_per_day": 6.0}, "inputs.posts_ms"),
    ("evidence", {"reply": fixed("1 h")}, "leg_pause_ms"),
    ("evidence", {"first_part": 0.5}, "leg_handle_ms"),
    ("misroute", {"handle": fixed("4 min")}, "leg_handle_ms"),
    ("reopen", {"after": fixed("3 h")}, "after_ms"),
    ("recontact", {"handle": fixed("1 min")}, "leg_handle_ms"),
]


@pytest.mark.parametrize(("table", "change", "moved"), CHANGES, ids=[f"{c[0]}-{c[2]}" for c in CHANGES])
def test_one_change_moves_one_thing(table: str, change: dict[str, Any], moved: str) -> None:
    whole = rich().model_dump(mode="json", exclude_none=True)[table]
    nested = {key: whole[key] | value if table == "queues" else value for key, value in change.items()}
    assert unlike(drawn(rich()), drawn(rich(**{table: whole | nested}))) == [moved]


def test_what_is_drawn_for_a_reopening_does_not_depend_on_whether_customers_ask_again() -> None:
    """Nor on how often: a child's numbers come from its own ancestry."""
    often = rich().model_dump(mode="json")["recontact"] | {"share": 0.9}
    scenarios = rich(recontact=None), rich(), rich(recontact=often)
    found = [tickets(scenario, drawn(scenario), leave_out=("chase",)) for scenario in scenarios]
    assert found[0] == found[1] == found[2]
    assert sum(ticket[-1] is not None for counter in found[0].values() for ticket in counter) > 100


def test_more_reopenings_keep_those_that_there_were() -> None:
    few = rich(recontact=None)
    more = rich(recontact=None, reopen={"share": 0.6, "after": {"law": "exponential", "mean": "10 h"}})
    a, b = tickets(few, drawn(few), leave_out=("chase",)), tickets(more, drawn(more), leave_out=("chase",))
    bare = {n: Counter(t[:-1] for t in c.elements()) for n, c in a.items()}
    assert bare == {n: Counter(t[:-1] for t in c.elements()) for n, c in b.items()}
    kept = {t[:-1]: t[-1] for c in a.values() for t in c}
    assert all(t[-1] is not None for c in b.values() for t in c if kept[t[:-1]] is not None)


# --- structure ----------------------------------------------------------------------------------------------------


def test_rows_stand_in_order_and_children_behind_their_parents() -> None:
    d = drawn(rich())
    kinds = d.kind.tolist()
    assert kinds == sorted(kinds, key=lambda k: min(k, REOPEN))  # roots, candidates, children
    for kind in (ROOT, CANDIDATE):
        assert (np.diff(d.opened_ms[d.kind == kind]) >= 0).all()
    child = d.parent >= 0
    assert (child == np.isin(d.kind, (REOPEN, CHASE))).all()
    assert (d.opened_ms[child] == NEVER).all()
    assert (d.parent[child] < np.flatnonzero(child)).all()
    for kind, link in ((CHASE, d.chase), (REOPEN, d.reopen)):
        rows = np.flatnonzero(d.kind == kind)
        assert (link[d.parent[rows]] == rows).all()
        assert (link >= 0).sum() == len(rows)
        assert (d.after_ms[rows] >= 1).all()
    assert (d.reopen[d.kind == CHASE] == -1).all()  # a question that was answered does not come back
    assert d.legs_from[0] == 0
    assert d.legs_from[-1] == len(d.leg_queue) == len(d.leg_handle_ms) == len(d.leg_pause_ms) == len(d.leg_hold_ms)
    assert ((d.leg_hold_ms >= 0) & (d.leg_hold_ms <= d.leg_pause_ms)).all()
    assert (np.diff(d.legs_from) > 0).all()  # whom the bot serves has no row
    assert (d.leg_handle_ms >= 1).all()
    assert (d.leg_pause_ms[d.legs_from[1:] - 1] == 0).all()


# --- counts in law ------------------------------------------------------------------------------------------------


def bot_story(**changes: Any) -> Scenario:
    """Return a story whose tickets are all ended by the bot: counts and times alone are drawn."""
    categories = {name: category(10.0, bot_resolve=1.0) for name in ("one", "two")}
    return story(categories=categories, bot={"handle": fixed("1 min")}, **changes)


def daily(demand: Demand, number: int, days: int) -> np.ndarray:
    return np.bincount(demand.bot_opened_ms[number] // DAY_MS, minlength=days)


def test_counts_are_poisson_about_a_busyness_that_all_categories_share() -> None:
    """N | B ~ Poisson(m B), B ~ Gamma of mean 1: Var N = m + m^2 cv^2 and Cov(N1, N2) = m^2 cv^2 (Jongbloed, Koole)."""
    days, m, cv = 3000, 240.0, 0.1
    d = drawn(bot_story(days=days, busyness={"cv": cv}))
    one, two = daily(d, 0, days), daily(d, 1, days)
    variance = m + (m * cv) ** 2
    for counts in (one, two):
        assert abs(counts.mean() - m) < 4 * np.sqrt(variance / days)
        assert counts.var() == pytest.approx(variance, rel=4 * np.sqrt(2.5 / days))
    assert np.cov(one, two)[0, 1] == pytest.approx((m * cv) ** 2, rel=0.2)


def test_without_busyness_counts_are_poisson_and_independent() -> None:
    days, m = 3000, 240.0
    d = drawn(bot_story(days=days))
    one, two = daily(d, 0, days), daily(d, 1, days)
    assert one.var() == pytest.approx(m, rel=4 * np.sqrt(2 / days))
    assert abs(np.corrcoef(one, two)[0, 1]) < 4 / np.sqrt(days)


def test_within_the_day_the_times_follow_the_profile() -> None:
    days, weights = 500, [0.0, 3.0, 1.0, 4.0]
    d = drawn(bot_story(days=days, profile={"period": "1 d", "weights": weights}))
    at = d.bot_opened_ms[0]
    quarters = np.bincount(at % DAY_MS // (6 * HOUR_MS), minlength=4)
    expected = 240 * days * np.array(weights) / sum(weights)
    assert quarters[0] == 0
    assert (((quarters - expected) ** 2)[1:] / expected[1:]).sum() < 3 + 4 * np.sqrt(6)
    inside = at[at % DAY_MS // (6 * HOUR_MS) == 3] % (6 * HOUR_MS) / (6 * HOUR_MS)
    assert abs(inside.mean() - 0.5) < 4 / np.sqrt(12 * len(inside))


def test_the_population_s_tickets_are_split_by_share() -> None:
    people = {"registered": 100_000, "mau_share": 0.1, "tickets_per_mau_day": 0.05}
    parts = {
        "howto": {"share": 0.8, "bot_resolve": 1.0, "steps": {"front": {"queue": "inbox", "handle": fixed("1 min")}}},
        "payout": {"share": 0.2, "bot_resolve": 1.0, "steps": {"front": {"queue": "inbox", "handle": fixed("1 min")}}},
    }
    d = drawn(story(days=100, population=people, categories=parts, bot={"handle": fixed("1 min")}))
    for number, m in enumerate((40_000, 10_000)):
        assert abs(len(d.bot_opened_ms[number]) - m) < 4 * np.sqrt(m)


def counted_and_reviewed(d: Demand) -> np.ndarray:
    """Return by the minute how many withdrawals are requested that are counted, and that people review."""
    rows = d.inputs.rows.drawn
    assert (rows[:, ROW_FLAGS] & REVIEWED_ROW).all()  # a rich story has no other rows
    review = np.bincount(rows[:, ROW_MINUTE], minlength=d.inputs.minutes)
    return np.stack([d.inputs.requests[:, :, 0].sum(axis=(0, 1)), review])


def test_flows_have_their_rates_and_their_shock() -> None:
    shock = {"x": {"at": "0 d", "length": "10 d", "withdrawals": 3.0, "logins": 2.0}}
    scenario = rich(days=40, warmup_days=0, busyness={"cv": 0.0}, shocks=shock)
    d = drawn(scenario)
    auto, review = counted_and_reviewed(d)
    counts = {"withdrawals_auto": auto, "withdrawals_review": review, "logins": logins_of(scenario)}
    per_day = {name: by_minute.reshape(40, 1440).sum(axis=1) for name, by_minute in counts.items()}
    for name, mean, factor in (("withdrawals_auto", 900, 3), ("withdrawals_review", 100, 3), ("logins", 2000, 2)):
        assert abs(per_day[name][10:].mean() - mean) < 4 * np.sqrt(mean / 30)
        assert abs(per_day[name][:10].mean() - mean * factor) < 4 * np.sqrt(mean * factor / 10)
    assert abs(len(d.inputs.posts_ms) - 200) < 4 * np.sqrt(200)
    assert (np.diff(d.inputs.posts_ms) >= 0).all()


def test_a_shock_sends_more_withdrawals_to_review_while_it_lasts_and_touches_no_other_day() -> None:
    def inputs(factor: float) -> np.ndarray:
        shock = {"x": {"at": "10 d", "length": "10 d", "reviews": factor}}
        return counted_and_reviewed(drawn(rich(days=40, warmup_days=0, busyness={"cv": 0.0}, shocks=shock)))

    usual, more, most = inputs(1.0), inputs(4.0), inputs(50.0)
    inside = slice(10 * 1440, 20 * 1440)
    for line, mean in ((0, 600), (1, 400)):
        assert abs(more[line, inside].sum() / 10 - mean) < 4 * np.sqrt(mean / 10)
    assert not most[0, inside].any()
    assert abs(most[1, inside].sum() / 10 - 1000) < 4 * np.sqrt(1000 / 10)
    for changed in (more, most):
        same = changed == usual
        assert same[:, : inside.start].all()
        assert same[:, inside.stop :].all()


def test_candidates_come_at_their_ceiling_whatever_the_day_and_with_uniform_marks() -> None:
    d = drawn(rich(days=40, busyness={"cv": 0.5}))
    for stream, per_hour, to_the_bot in ((LATE_STREAM, 10.0, 0.3), (RUMOUR_STREAM, 5.0, 0.5)):
        mine = (d.kind == CANDIDATE) & (d.stream == stream)
        (bot,) = (one for one in d.bot_candidates if one.stream == stream)
        mark = np.concatenate([d.mark[mine], bot.mark])
        expected = per_hour * 24 * 41
        assert abs(len(mark) - expected) < 4 * np.sqrt(expected)
        assert near(len(bot.mark) / len(mark), to_the_bot, len(mark))
        by_day = np.bincount(np.concatenate([d.opened_ms[mine], bot.opened_ms]) // DAY_MS, minlength=41)
        assert by_day.var() < per_hour * 24 * (1 + 4 * np.sqrt(2 / 41))
        for marks in (d.mark[mine], bot.mark):  # whoever serves them
            assert abs(marks.mean() - 0.5) < 4 / np.sqrt(12 * len(marks))
        assert mark.min() >= 0
        assert mark.max() < 1
