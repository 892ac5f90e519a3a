"""The withdrawal pipeline once more, slowly: every withdrawal is an object with its own clock, and no sum is carried.

What a column says is found anew at each tick: stocks by counting the objects, running sums by adding up the log of
what happened. Money is shared out as the definition says it: k of a cohort of n take floor(cents x k / n).
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from sim.feedback import FeedbackInputs, FeedbackParameters
from sim.feedback import columns as level
from tests.support.twins.slow_log import Entry, Log, Part
from tests.support.twins.slow_marks import cohort_mark, row_mark
from tests.support.twins.slow_payout import Cohort, Counted, Row, SlowRail, capacity

EVENT_STREAMS = [name for name in level.STREAMS if f"pending_{name}" in level.FLOAT_NAMES]
OPEN_STAGES = (level.IN_REVIEW, level.ON_HOLD, level.IN_LINE, level.ON_CHAIN)


class Around(NamedTuple):
    """What the pipeline gets from elsewhere at a tick; the share of newcomers is that of the tick before."""

    tickets: int
    open_tickets: int
    newcomers: float
    frightened: list[int]


class SlowWithdrawals:
    """All withdrawals of one replication, and the gates that they pass."""

    def __init__(self, rules: FeedbackParameters, inputs: FeedbackInputs) -> None:
        self.rules, self.inputs = rules, inputs
        drawn = zip(inputs.rows.drawn.tolist(), inputs.rows.keys.tolist(), inputs.rows.account.tolist(), strict=True)
        self.rows = [Row(number, *columns, key, account) for number, (columns, key, account) in enumerate(drawn)]
        self.rails = [SlowRail(number, rules, inputs) for number in range(len(rules.rails))]
        self.later: list[Part] = []
        self.counted: list[Counted] = []
        self.log = Log()
        self.pending: dict[str, float] = dict.fromkeys(EVENT_STREAMS, 0.0)
        self.open = self.frightened = 0

    # --- a tick ---------------------------------------------------------------------------------------------------

    def step(self, tick: int, around: Around, exogenous: dict[str, float], asked: dict[str, float]) -> dict[str, float]:
        """Return the columns of a tick, but for those by rail; ``asked`` are the minute's requests to elsewhere."""
        self.log.tick = tick
        self.end_reviews(tick)
        self.end_holds(tick)
        parts, rows = self.requests(tick, around.frightened)
        if self.put_off(tick, parts, rows):
            parts, rows = [], []
        out: dict[str, float] = {"new_requests": sum(part.n for part in parts) + len(rows)}
        out["gateway_load"] = self.load(out["new_requests"], around, asked)
        out["error_share"] = error_share(self.rules, out["gateway_load"])
        out["tightness"] = self.tightness(exogenous["tightness"])
        rows = self.gateway(tick, parts, rows, out["error_share"])
        self.country(parts)
        rows = self.limits(tick, rows, out["tightness"])
        self.accept(tick, parts, rows, exogenous["let_off"])
        for rail in self.rails:
            rail.pay(tick, self.rows)
            rail.move_cold(tick, self.rows)
        out["new_short"] = sum(rail.is_short(tick, self.rows) for rail in self.rails)
        out["new_stuck"] = sum(rail.is_stuck(tick, self.rows) for rail in self.rails)
        for rail in self.rails:
            rail.settle(tick, self.rows)
        return out | self.count(tick, exogenous) | self.events(tick, exogenous)

    def end_reviews(self, tick: int) -> None:
        able = capacity(self.rules.reviews_per_minute, 1, tick)
        line = sorted((row.reached, row.number) for row in self.rows if row.stage == level.IN_REVIEW)
        for _, number in line[:able]:
            row = self.rows[number]
            self.log.of_row("reviewed", row)
            if row.flags & level.HELD_ROW:
                row.stage, row.due = level.ON_HOLD, tick + self.rules.hold_minutes
                self.log.of_row("held", row)
            else:
                self.enter(tick, row)

    def end_holds(self, tick: int) -> None:
        for row in self.rows:
            if row.stage == level.ON_HOLD and row.due == tick:
                self.log.of_row("released", row)
                self.enter(tick, row)

    def enter(self, tick: int, row: Row) -> None:
        """Let a row enter its payout line."""
        row.stage, row.reached, row.entered = level.IN_LINE, tick, tick + 1
        self.log.of_row("payout_in", row)

    def requests(self, tick: int, frightened: list[int]) -> tuple[list[Part], list[Row]]:
        """Return who asks at this tick, counted ones by rail and class and rows, drawn, again, or frightened."""
        parts = [Part(tick, rail.number, kind, 0, 0) for rail in self.rails for kind in range(level.CLASSES)]
        back = [part for part in self.later if part.tick == tick]
        self.later = [part for part in self.later if part.tick != tick]
        rows = [row for row in self.rows if row.stage == level.RETURNING and row.due == tick]
        new = [row for row in self.rows if row.minute == tick - 1 >= 0]
        inputs = self.inputs
        for who in frightened:
            if inputs.panic_row[who] >= 0:
                new.append(self.rows[inputs.panic_row[who]])
            else:
                rail, kind = int(inputs.panic_rail[who]), int(inputs.panic_class[who])
                back.append(Part(tick, rail, kind, 1, int(inputs.panic_cents[who])))
                self.frightened += 1
        for part in parts:
            if tick:
                n, cents = inputs.requests[part.rail, part.kind, :, tick - 1].tolist()
                back.append(Part(tick, part.rail, part.kind, n, cents))
            mine = [one for one in back if (one.rail, one.kind) == (part.rail, part.kind)]
            part.n, part.cents = sum(one.n for one in mine), sum(one.cents for one in mine)
        for row in new:
            self.log.of_row("rows", row)
        return [part for part in parts if part.n], rows + new

    def put_off(self, tick: int, parts: list[Part], rows: list[Row]) -> bool:
        """Put requests off to the end of a closure; return whether there is one."""
        until = int(self.inputs.request_tick[tick]) if self.inputs.request_tick.size else tick
        if until == tick:
            return False
        for part in parts:
            part.tick = until
            self.log.note("deferred", part)
        self.later += parts
        for row in rows:
            row.stage, row.due = level.RETURNING, until
            self.log.of_row("deferred", row)
        return True

    # --- the gates ------------------------------------------------------------------------------------------------

    def load(self, requests: float, around: Around, asked: dict[str, float]) -> float:
        gate = self.rules.gateway
        load = requests * (1.0 + gate.codes_per_request) + around.tickets + around.open_tickets * gate.views_per_open
        return (
            load
            + asked["other_requests"]
            + asked["newcomer_requests"] * around.newcomers
            + self.open * gate.polls_per_open
        )

    def tightness(self, market: float) -> float:
        share = self.rules.limits.hot_share
        low = any(rail.has_wallet and rail.hot < share * rail.rules.target_cents for rail in self.rails)
        return 1.0 if low else market

    def gateway(self, tick: int, parts: list[Part], rows: list[Row], share: float) -> list[Row]:
        """Let requests fail, of which some come again; return the rows that are let through."""
        gate, keys, rails = self.rules.gateway, self.inputs.mark_keys.tolist(), len(self.rails)
        for part in parts:
            place = (tick, part.rail, part.kind)
            failed = part.cut(sum(cohort_mark(keys, rails, place, i, "gateway") < share for i in range(part.n)))
            self.log.note("failed", failed)
            again = sum(cohort_mark(keys, rails, place, i, "retry") < gate.retry_share for i in range(failed.n))
            back = failed.cut(again)
            back.tick = tick + gate.retry_minutes
            self.later += [back] if back.n else []
            self.lose("gave_up", failed)
            self.log.note("let_through", part)
        for row in rows:
            row.attempt += 1
        failing = [row for row in rows if row_mark(row.key, row.attempt, "gateway") < share]
        for row in failing:
            self.log.of_row("failed", row)
            if row_mark(row.key, row.attempt, "retry") < gate.retry_share:
                row.stage, row.due = level.RETURNING, tick + gate.retry_minutes
            else:
                row.stage = level.LOST_AT_GATEWAY
                self.lose_row("gave_up", row)
        return [row for row in rows if row not in failing]

    def lose(self, how: str, part: Part) -> None:
        self.log.note(how, part)
        self.log.note("lost", part)

    def lose_row(self, how: str, row: Row) -> None:
        self.log.of_row(how, row)
        self.log.of_row("lost", row)

    def country(self, parts: list[Part]) -> None:
        for part in parts:
            if part.kind == level.FORBIDDEN:
                self.lose("barred", part)

    def limits(self, tick: int, rows: list[Row], tightness: float) -> list[Row]:
        limits = self.rules.limits
        refused = [row for row in rows if row.cents > limits.cents and row.account < tightness]
        for row in refused:
            self.log.of_row("over_limit", row)
            if row_mark(row.key, row.attempt, "return") < limits.back_share:
                row.stage, row.due = level.RETURNING, tick + limits.back_minutes
            else:
                row.stage = level.LOST_AT_LIMIT
                self.lose_row("turned_away", row)
        return [row for row in rows if row not in refused]

    def accept(self, tick: int, parts: list[Part], rows: list[Row], let_off: float) -> None:
        """Accept what is left: some is never confirmed, some goes astray; it is reviewed, or enters the payout line."""
        for part in parts:
            if part.kind == level.DROPPING:
                self.lose("dropped", part)
            elif part.kind == level.PASSING and part.n:
                members = [Counted(tick) for _ in range(part.n)]
                self.counted += members
                self.rails[part.rail].cohorts.append(Cohort(tick, members, part.cents))
                for what in ("payout_in", "counted_in"):
                    self.log.note(what, part)
        for row in rows:
            row.accepted = tick
            if row.flags & level.BREACHING_ROW:
                self.log.of_row("breaches", row, row.cost)
            if row.flags & level.DROPPED_ROW:
                row.stage = level.UNCONFIRMED
                self.lose_row("dropped", row)
                continue
            for flag, what in ((level.ADDRESS_ROW, "wrong_address"), (level.NETWORK_ROW, "wrong_network")):
                if row.flags & flag:
                    self.log.of_row(what, row)
            of_run = row.minute < 0 and row_mark(row.key, row.attempt, "let off") < let_off
            if row.flags & level.REVIEWED_ROW and not of_run:
                row.stage, row.reached, row.entered = level.IN_REVIEW, tick, tick + 1
                self.log.of_row("review_in", row)
            else:
                self.enter(tick, row)

    # --- what the columns say -------------------------------------------------------------------------------------

    def count(self, tick: int, exogenous: dict[str, float]) -> dict[str, float]:
        """Count the objects, and add up the log."""
        promise = self.rules.promise_minutes
        for row in self.rows:
            accepted = row.accepted >= 0 and row.stage != level.UNCONFIRMED
            row.late = int(accepted and row.final < 0 and tick - row.accepted >= promise)
        late = sum(row.late for row in self.rows)
        late += sum(one.final < 0 and tick - one.accepted >= promise for one in self.counted)
        self.open = sum(row.stage in OPEN_STAGES for row in self.rows) + sum(one.final < 0 for one in self.counted)
        again = sum(row.stage == level.RETURNING for row in self.rows) + sum(part.n for part in self.later)
        out: dict[str, float] = {"n_late": late, "n_open": self.open, "n_again": again}
        out["admitted_late"] = late * self.rules.late_admitted_per_withdrawal * (1.0 - exogenous["quiet_late"])
        if exogenous["tickets_closed"]:
            out["admitted_late"] = 0.0
        many, money = self.log.sums()
        for what in (
            "failed", "gave_up", "over_limit", "turned_away", "dropped", "held", "released", "deferred", "barred",
            "breaches", "wrong_address", "wrong_network", "rows",
        ):  # fmt: skip
            out[f"cum_{what}"] = many[what, -1]
        for what in ("wrong_address", "wrong_network"):
            out[f"cum_{what}_cents"] = money[what, -1]
        return out | {"cum_breach_cost_cents": money["breaches", -1]}

    def events(self, tick: int, exogenous: dict[str, float]) -> dict[str, float]:
        """Return the share of candidates that this tick's events admit, and what they ask for later."""
        rules, happened = self.rules, Counter[str]()
        for one in self.log.entries:
            happened[one.what] += one.n if one.tick == tick else 0
        wanted = {
            "fault": happened["gave_up"] * rules.gateway.admitted_per_gave_up * (1.0 - exogenous["quiet_fault"]),
            "limited": happened["over_limit"] * rules.limits.admitted_per_refusal * (1.0 - exogenous["quiet_limited"]),
            "barred": happened["barred"] * rules.barred.admitted,
            "address": happened["wrong_address"] * rules.wrong_address.admitted,
            "network": happened["wrong_network"] * rules.wrong_network.admitted,
        }
        out = {}
        assert sorted(wanted) == sorted(EVENT_STREAMS), "say here what each stream of events asks for"
        for name, more in wanted.items():
            asked = self.pending[name] + more
            out[f"admitted_{name}"] = 0.0 if exogenous["tickets_closed"] else min(asked, 1.0)
            out[f"pending_{name}"] = self.pending[name] = asked - out[f"admitted_{name}"]
        return out

    def by_rail(self) -> list[dict[str, int]]:
        """Return the columns of each rail."""
        many, money = self.log.sums()
        out = []
        for rail in self.rails:
            here = rail.columns(self.rows)
            for what in ("review_in", "reviewed", "payout_in", "counted_in"):
                here[f"cum_{what}"] = many[what, rail.number]
                here[f"cum_{what}_cents"] = money[what, rail.number]
            here["cum_lost_cents"] = money["lost", rail.number]
            here["again_cents"] += sum(part.cents for part in self.later if part.rail == rail.number)
            out.append(here)
        return out

    def class_table(self) -> np.ndarray:
        """Return what became of the counted ones, by rail and class, as ``level.CLASS_NAMES`` says."""
        table: Counter[tuple[int, int, str]] = Counter()
        names = {"gave_up": "given_up", "let_through": "let_through", "coming": "coming"}
        coming = [Entry(-1, "coming", part.rail, part.n, part.cents, kind=part.kind) for part in self.later]
        for one in [*self.log.entries, *coming]:
            if one.row < 0 and one.what in names:
                table[one.rail, one.kind, names[one.what]] += one.n
                table[one.rail, one.kind, f"{names[one.what]}_cents"] += one.cents
        places = [[(rail.number, kind) for kind in range(level.CLASSES)] for rail in self.rails]
        return np.array([[[table[*at, name] for name in level.CLASS_NAMES] for at in kinds] for kinds in places])

    def row_table(self) -> np.ndarray:
        """Return the rows as they are; the link to the next one is the kernel's own and is left 0."""
        table = [[getattr(row, name, 0) for name in level.ROW_NAMES] for row in self.rows]
        return np.array(table, np.int64).reshape(len(self.rows), len(level.ROW_NAMES))


def error_share(rules: FeedbackParameters, load: float) -> float:
    """Return the share of requests that fail at a load."""
    loads, errors = rules.gateway.loads_per_minute, rules.gateway.error_shares
    if not loads:
        return 0.0
    if load <= loads[0]:
        return errors[0]
    if load >= loads[-1]:
        return 1.0 - (1.0 - errors[-1]) * loads[-1] / load
    for i in range(1, len(loads)):
        if loads[i] >= load:
            return errors[i - 1] + (errors[i] - errors[i - 1]) * (load - loads[i - 1]) / (loads[i] - loads[i - 1])
    raise AssertionError(load)
