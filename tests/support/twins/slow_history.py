"""What the withdrawals of a small world met, as their slow twin tells it: what a swarm of them has proved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from sim.feedback import columns as level
from tests.support.twins.slow_feedback import SlowLevels
from tests.support.twins.slow_log import Entry
from tests.support.twins.slow_payout import Row
from tests.support.twins.slow_withdrawals import SlowWithdrawals

FEATURES = tuple(
    """
account's mark equal to the tightness
account's mark 0 at tightness 0
breach
breach that is dropped
closure within a closure
cohort paid over several ticks
counted and rows enter the line at one tick
counted barred
counted dropped
counted failed all
counted failed and comes again, dropping
counted failed and comes again, forbidden
counted failed and comes again, passing
counted failed and given up
counted failed, with a fraction of a cent
counted frightened
counted late in line
counted late on the chain
counted put off beyond the end
counted put off by a closure
error share beyond the last point
error share on a line
head paid after it was stuck
limit of a low wallet
limit of the market
order
order as another arrives
order as far as cold money goes
order for the head alone
order of more than the target
payment final by blocks
payment never final
pending tickets: address
pending tickets: barred
pending tickets: fault
pending tickets: limited
pending tickets: network
rate lost in a closure
rate of a longer batch lost to a dry wallet
rate of a longer batch lost to an empty line
rate of reviews that is a fraction
reviews of several rails in one line
row at the limit
row dropped
row enters the line by review as another enters at once
row failed and comes again
row failed and given up
row failed twice
row flagged held without a review
row frightened
row frightened in a closure
row frightened and let off
row held
row held beyond the end
row late in line
row late in review
row late on hold
row late on the chain
row never asked by a run
row of the last minute
row paid before a counted one that entered later
row put off beyond the end
row put off by a closure
row put off twice
row refused and failed
row refused and passed later
row refused and turned away
row refused three times
row refused twice
row reviewed after a wait
row to a wrong address and over a wrong network
stuck head
stuck head within a cohort
sweep
sweep down to the need of the head
views and codes
wallet short at a row
wallet short at the first of a cohort
wallet short between two batches
wallet short within a cohort
""".strip().splitlines()
)
"""What random worlds must meet, each often enough."""


def features(twin: SlowLevels) -> set[str]:
    """Return the names of what a world met."""
    pipeline = twin.withdrawals
    met = {*_of_tables(twin), *_of_limits(twin), *_of_counted(pipeline), *_of_rows(pipeline), *_of_lines(pipeline)}
    met |= {name for rail in pipeline.rails for name in rail.met}
    assert met <= set(FEATURES), met - set(FEATURES)
    return met


def _of_tables(twin: SlowLevels) -> Iterator[str]:
    rules, rows = twin.parameters, [columns for columns, _ in twin.rows]
    gate = rules.gateway
    for columns in rows:
        if gate.loads_per_minute and columns["new_requests"]:
            first, last = gate.loads_per_minute[0], gate.loads_per_minute[-1]
            if first < columns["gateway_load"] < last:
                yield "error share on a line"
            if columns["gateway_load"] > last:
                yield "error share beyond the last point"
            if gate.codes_per_request and gate.views_per_open:
                yield "views and codes"
        for name in ("address", "barred", "fault", "limited", "network"):
            if columns[f"pending_{name}"] > 0:
                yield f"pending tickets: {name}"
    for before, after in pairwise(rows):
        if before["new_stuck"] > after["new_stuck"]:
            yield "head paid after it was stuck"
    if rules.reviews_per_minute % 1 and rows and rows[-1]["n_open"]:
        yield "rate of reviews that is a fraction"


def _of_counted(pipeline: SlowWithdrawals) -> Iterator[str]:
    entries, end = [one for one in pipeline.log.entries if one.row < 0], pipeline.log.tick
    for one in entries:
        if one.what == "deferred":
            yield "counted put off by a closure"
        if one.what in ("barred", "dropped"):
            yield f"counted {one.what}"
        if one.what == "gave_up":
            yield "counted failed and given up"
        if one.what == "failed" and one.cents % one.n:
            yield "counted failed, with a fraction of a cent"
    failed = {(one.tick, one.rail, one.kind): one.n for one in entries if one.what == "failed"}
    gone = {(one.tick, one.rail, one.kind): one.n for one in entries if one.what == "gave_up"}
    for place, n in failed.items():
        if n > gone.get(place, 0):
            yield f"counted failed and comes again, {('passing', 'dropping', 'forbidden')[place[2]]}"
    entered = {(one.tick, one.rail) for one in entries if one.what == "payout_in"}
    if any(place[2] == level.PASSING and place[:2] not in entered for place in failed):
        yield "counted failed all"
    if any(part.tick > end for part in pipeline.later):
        yield "counted put off beyond the end"
    if pipeline.frightened:
        yield "counted frightened"
    promise = pipeline.rules.promise_minutes
    for each in pipeline.counted:
        over = (each.final if each.final >= 0 else end + 1) - 1  # the last tick at which it was not final
        if over - each.accepted >= promise:
            if each.paid < 0 or each.paid - 1 - each.accepted >= promise:
                yield "counted late in line"
            if each.paid >= 0 and over >= each.paid:
                yield "counted late on the chain"


def _of_rows(pipeline: SlowWithdrawals) -> Iterator[str]:
    past: dict[int, list[Entry]] = defaultdict(list)
    for one in pipeline.log.entries:
        if one.row >= 0:
            past[one.row].append(one)
    closures = pipeline.inputs.request_tick.tolist()
    if any(later < len(closures) and closures[later] != later for later in closures):
        yield "closure within a closure"
    for row in pipeline.rows:
        yield from _of_row(pipeline, row, past[row.number])
        yield from _late(pipeline, row, {one.what: one.tick for one in past[row.number]})


def _of_row(pipeline: SlowWithdrawals, row: Row, past: list[Entry]) -> Iterator[str]:
    what = [one.what for one in past]
    failed, refused, deferred = (what.count(name) for name in ("failed", "over_limit", "deferred"))
    last, end = pipeline.rules.limits.cents, pipeline.log.tick
    names = {
        "breach": "breaches" in what,
        "breach that is dropped": "breaches" in what and "dropped" in what,
        "row at the limit": row.accepted >= 0 and row.cents == last,
        "row dropped": "dropped" in what,
        "row failed and comes again": failed and row.attempt > failed,
        "row failed and given up": "gave_up" in what,
        "row failed twice": failed > 1,
        "row flagged held without a review": row.position
        and row.flags & level.HELD_ROW
        and not row.flags & level.REVIEWED_ROW,
        "row frightened": "rows" in what and row.minute < 0,
        "row frightened and let off": row.minute < 0
        and row.flags & level.REVIEWED_ROW
        and "payout_in" in what
        and "review_in" not in what,
        "row frightened in a closure": what[:2] == ["rows", "deferred"] and row.minute < 0,
        "row held": "held" in what,
        "row held beyond the end": row.stage == level.ON_HOLD and row.due > end,
        "row never asked by a run": not what and row.minute < 0,
        "row of the last minute": row.minute == end >= 0,
        "row put off beyond the end": row.stage == level.RETURNING and row.due > end,
        "row put off by a closure": deferred,
        "row put off twice": deferred > 1,
        "row refused and failed": failed and refused,
        "row refused and passed later": refused and row.accepted >= 0,
        "row refused and turned away": "turned_away" in what,
        "row refused twice": refused > 1,
        "row refused three times": refused > 2,
        "row reviewed after a wait": any(
            one.tick - other.tick > 1
            for one in past
            for other in past
            if (other.what, one.what) == ("review_in", "reviewed")
        ),
        "row to a wrong address and over a wrong network": "wrong_address" in what and "wrong_network" in what,
    }
    yield from (name for name, met in names.items() if met)


def _late(pipeline: SlowWithdrawals, row: Row, at: dict[str, int]) -> Iterator[str]:
    """Say where a row was while it was late: it is at a place from one tick to the one before it is at the next."""
    due, end = row.accepted + pipeline.rules.promise_minutes, pipeline.log.tick
    if row.accepted < 0 or row.stage == level.UNCONFIRMED:
        return
    places = [("in review", at.get("review_in")), ("on hold", at.get("held")), ("in line", at.get("payout_in"))]
    places += [("on the chain", row.paid if row.paid >= 0 else None), ("", row.final if row.final >= 0 else None)]
    there = [(name, tick) for name, tick in places if tick is not None]
    for (name, came), (_, left) in pairwise([*there, ("", end + 1)]):
        if name and max(came, due) < left:
            yield f"row late {name}"


def _of_limits(twin: SlowLevels) -> Iterator[str]:
    pipeline = twin.withdrawals
    tightness = [columns["tightness"] for columns, _ in twin.rows]
    for one in pipeline.log.entries:
        if one.what == "over_limit":
            market = twin.exogenous("tightness", one.tick)
            yield "limit of the market" if tightness[one.tick] == market else "limit of a low wallet"
    for row in pipeline.rows:
        if row.accepted >= 0 and row.cents > pipeline.rules.limits.cents and row.account == tightness[row.accepted]:
            yield "account's mark equal to the tightness" if row.account else "account's mark 0 at tightness 0"


def _of_lines(pipeline: SlowWithdrawals) -> Iterator[str]:
    entries, rows = pipeline.log.entries, pipeline.rows
    counted = {(one.tick, one.rail) for one in entries if one.what == "counted_in"}
    entering = [one for one in entries if one.what == "payout_in" and one.row >= 0]
    reviewed = {(one.tick, one.row) for one in entries if one.what in ("reviewed", "released")}
    if any((one.tick, one.rail) in counted for one in entering):
        yield "counted and rows enter the line at one tick"
    late = {(one.tick, one.rail) for one in entering if (one.tick, one.row) in reviewed}
    if any((one.tick, one.rail) in late and (one.tick, one.row) not in reviewed for one in entering):
        yield "row enters the line by review as another enters at once"
    for rail in pipeline.rails:
        kinds = [isinstance(one, Row) for one in rail.chain]
        if (True, False) in pairwise(kinds):
            yield "row paid before a counted one that entered later"
        if any(one.final >= 0 for one in rail.chain) and rail.rules.confirmations:
            yield "payment final by blocks"
        if any(one.final < 0 for one in rail.chain):
            yield "payment never final"
    for tick in range(pipeline.log.tick + 1):
        if len({rows[one.row].rail for one in entries if one.what == "review_in" and one.tick == tick}) > 1:
            yield "reviews of several rails in one line"
