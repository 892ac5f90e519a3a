"""One rail once more, slowly: its payout line, its hot wallet and its chain, of objects."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.feedback import FeedbackInputs, FeedbackParameters
from sim.feedback.columns import DONE, DRAWN, IN_LINE, ON_CHAIN, ON_HOLD, RAIL_NAMES, RETURNING


@dataclass(eq=False)
class Row:
    """A withdrawal with an identity: how it was drawn, and where it is. Ticks are -1 for what did not happen."""

    number: int
    minute: int
    rail: int
    cents: int
    flags: int
    cost: int
    key: int
    account: float
    stage: int = DRAWN
    attempt: int = 0
    accepted: int = -1
    entered: int = -1
    position: int = 0
    final: int = -1
    late: int = 0
    reached: int = -1
    due: int = -1
    paid: int = -1


@dataclass(eq=False)
class Counted:
    """A counted withdrawal: the ticks at which it was accepted, paid and final."""

    accepted: int
    paid: int = -1
    final: int = -1


@dataclass
class Cohort:
    """Counted withdrawals that entered the line at one tick: those who wait, and the money that they share."""

    entered: int
    waiting: list[Counted]
    cents: int


@dataclass
class Order:
    """Money from the cold to the hot wallet."""

    arrives: int
    cents: int


def capacity(per_minute: float, batch: int, tick: int) -> int:
    """Return how many may be done at a tick."""
    if tick % batch:
        return 0
    t, c = tick // batch, per_minute * batch
    return math.floor((t + 1) * c) - math.floor(t * c)


class SlowRail:
    """One rail; its rows are those of the table that stand on it."""

    def __init__(self, number: int, rules: FeedbackParameters, inputs: FeedbackInputs) -> None:
        self.number, self.rules, self.inputs = number, rules.rails[number], inputs
        self.has_wallet = self.rules.hot_cents >= 0
        self.hot, self.cold = max(self.rules.hot_cents, 0), self.rules.cold_cents
        self.cohorts: list[Cohort] = []
        self.orders: list[Order] = []
        self.chain: list[Row | Counted] = []
        self.counted_cents: list[int] = []
        self.tick = -1
        self.met: set[str] = set()

    def line(self, rows: list[Row]) -> list[Cohort | Row]:
        """Return who stands in the payout line, the head first."""
        places: list[tuple[int, int, int, Cohort | Row]] = [
            (one.entered, 0, 0, one) for one in self.cohorts if one.waiting
        ]
        places += [
            (row.reached, 1, row.number, row) for row in rows if row.rail == self.number and row.stage == IN_LINE
        ]
        return [place[3] for place in sorted(places, key=lambda place: place[:3])]

    def pay(self, tick: int, rows: list[Row]) -> None:
        """Pay what line, rate and wallet allow."""
        self.tick = tick
        if self.has_wallet:
            if tick and self.inputs.deposits.size:
                self.hot += int(self.inputs.deposits[self.number, tick - 1])
            self.hot += sum(order.cents for order in self.orders if order.arrives == tick)
        able = capacity(self.rules.payouts_per_minute, self.rules.batch_minutes, tick)
        if self.closed(tick):
            self.meet("rate lost in a closure", able > 0 and self.line(rows))
            return
        for head in self.line(rows):
            n = min(able, 1 if isinstance(head, Row) else len(head.waiting))
            done = max(k for k in range(n + 1) if not self.has_wallet or _cents(head, k) <= self.hot)
            if done:
                self.pay_head(tick, head, done)
            able -= done
            if done < n:
                self.meet("wallet short at a row", isinstance(head, Row))
                self.meet("wallet short within a cohort", done > 0)
                self.meet("wallet short at the first of a cohort", done == 0 and isinstance(head, Cohort))
                self.meet("rate of a longer batch lost to a dry wallet", self.rules.batch_minutes > 1)
                return
        self.meet("rate of a longer batch lost to an empty line", able > 0 and self.rules.batch_minutes > 1)

    def closed(self, tick: int) -> bool:
        """Return whether nothing is paid at a tick."""
        return bool(self.inputs.closed.size and self.inputs.closed[self.number, tick])

    def meet(self, what: str, happened: object) -> None:
        """Note that something was met, for whoever asks what the worlds have proved."""
        if happened:
            self.met.add(what)

    def pay_head(self, tick: int, head: Cohort | Row, n: int) -> None:
        """Pay n of the first in line."""
        cents = _cents(head, n)
        if self.has_wallet:
            self.hot -= cents
        if isinstance(head, Row):
            head.stage, head.paid = ON_CHAIN, tick
            self.chain.append(head)
            head.position = len(self.chain)
            return
        head.cents -= cents
        self.counted_cents.append(cents)
        self.meet("cohort paid over several ticks", n < len(head.waiting))
        for one in head.waiting[:n]:
            one.paid = tick
            self.chain.append(one)
        head.waiting = head.waiting[n:]

    def need(self, rows: list[Row]) -> int:
        """Return what the first in line takes."""
        line = self.line(rows)
        return _cents(line[0], 1) if line else 0

    def is_short(self, tick: int, rows: list[Row]) -> bool:
        """Return whether the hot wallet of an open rail cannot pay the first in line."""
        short = self.has_wallet and not self.closed(tick) and self.hot < self.need(rows)
        self.meet("wallet short between two batches", short and tick % self.rules.batch_minutes > 0)
        return short

    def is_stuck(self, tick: int, rows: list[Row]) -> bool:
        """Return whether the first in line takes more than all money."""
        stuck = self.has_wallet and self.need(rows) > self.hot + self.cold + self.transit(tick)
        self.meet("stuck head", stuck)
        self.meet("stuck head within a cohort", stuck and isinstance(self.line(rows)[0], Cohort))
        return stuck

    def move_cold(self, tick: int, rows: list[Row]) -> None:
        """Sweep to the cold wallet and order from it."""
        if not self.has_wallet:
            return
        rail, need = self.rules, self.need(rows)
        if self.hot > max(rail.high_cents, need):
            self.meet("sweep down to the need of the head", need > rail.target_cents)
            self.cold += self.hot - max(rail.target_cents, need)
            self.hot = max(rail.target_cents, need)
            self.meet("sweep", True)
        under_way = any(order.arrives > tick for order in self.orders)
        if not under_way and (self.hot < rail.low_cents or self.hot < need) and self.cold > 0:
            cents = min(max(rail.target_cents, need) - self.hot, self.cold)
            self.meet("order", True)
            self.meet("order for the head alone", self.hot >= rail.low_cents)
            self.meet("order of more than the target", self.hot + cents > rail.target_cents)
            self.meet("order as far as cold money goes", cents < max(rail.target_cents, need) - self.hot)
            self.meet("order as another arrives", any(order.arrives == tick for order in self.orders))
            times = self.inputs.refill_minutes[self.number].tolist()
            self.orders.append(Order(tick + times[len(self.orders) % len(times)], cents))
            self.cold -= cents

    def transit(self, tick: int) -> int:
        """Return the money on its way."""
        return sum(order.cents for order in self.orders if order.arrives > tick)

    def settle(self, tick: int, rows: list[Row]) -> None:
        """Let payments become final: paid long enough ago, or in a block that enough others followed."""
        rail = self.rules
        known = [int(at) for at in self.inputs.blocks[self.number] if at < tick] if self.inputs.blocks.size else []
        for one in self.chain:
            if one.final >= 0:
                continue
            if rail.confirmations:
                final = sum(at >= one.paid for at in known) >= rail.confirmations
            else:
                final = tick - one.paid >= rail.final_minutes
            if final:
                one.final = tick
                if isinstance(one, Row):
                    one.stage = DONE

    def columns(self, rows: list[Row]) -> dict[str, int]:
        """Return what the rail's columns say, as far as the rail alone knows."""
        out = dict.fromkeys(RAIL_NAMES, 0)
        mine = [row for row in rows if row.rail == self.number]
        counted = [one for one in self.chain if isinstance(one, Counted)]
        out["cum_paid"], out["cum_counted_paid"] = len(self.chain), len(counted)
        out["cum_counted_paid_cents"] = sum(self.counted_cents)
        out["cum_paid_cents"] = sum(self.counted_cents) + sum(row.cents for row in mine if row.paid >= 0)
        out["cum_final"] = sum(one.final >= 0 for one in self.chain)
        out["cum_rows_final"] = sum(row.final >= 0 for row in mine)
        out["hot_cents"], out["cold_cents"] = self.hot, self.cold
        out["transit_cents"] = self.transit(self.tick)
        out["again_cents"] = sum(row.cents for row in mine if row.stage == RETURNING)
        out["held_cents"] = sum(row.cents for row in mine if row.stage == ON_HOLD)
        return out


def _cents(head: Cohort | Row, n: int) -> int:
    """Return what n of the first in line take."""
    if isinstance(head, Row):
        return head.cents * n
    return head.cents * n // len(head.waiting)
