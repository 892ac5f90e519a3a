"""The live levels once more, slowly: withdrawals one by one in lines, and the public as plain sums over the past.

Money is shared out as the definition says it: part of a minute's withdrawals takes its part of their money, rounded
down. Everything else is worked out from lists of what happened, not from running sums.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any

from sim.core.clock import MINUTE_MS
from sim.feedback import FeedbackInputs, FeedbackParameters, Mistake
from sim.feedback.columns import EXOGENOUS_NAMES, FLOAT_NAMES, INT_NAMES, RAIL_NAMES, STREAMS


@dataclass
class Lot:
    """Withdrawals of one minute in one line: when they came, how many are left, and their money."""

    came: int
    n: int
    cents: int

    def take(self, n: int) -> int:
        """Take some out, and return their money."""
        cents = self.cents * n // self.n
        self.n -= n
        self.cents -= cents
        return cents


class SlowRail:
    """The lines of one rail."""

    def __init__(self, number: int, rules: FeedbackParameters, inputs: FeedbackInputs) -> None:
        self.number, self.parameters, self.rail, self.inputs = number, rules, rules.rails[number], inputs
        self.review: deque[Lot] = deque()
        self.payout: deque[Lot] = deque()
        self.unconfirmed: list[tuple[int, int]] = []  # minute of payment, minute in which it came; one each
        self.sums: dict[str, int] = dict.fromkeys(RAIL_NAMES, 0)
        self.sums["hot_cents"], self.sums["cold_cents"] = max(self.rail.hot_cents, 0), self.rail.cold_cents
        self.carry: dict[str, float] = defaultdict(float)
        self.again: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self.release: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        self.refill: dict[int, int] = defaultdict(int)
        self.ordered_for, self.orders = -1, 0

    def part(self, name: str, n: float, most: int) -> int:
        """Return the whole part of what has been carried and n, and carry the rest."""
        exact = self.carry[name] + n
        whole = min(int(exact), most)
        self.carry[name] = exact - whole
        return whole

    def take(self, now: list[int], share: float, weight: float, name: str) -> list[int]:
        """Take a share out of requests (automatic, cents, reviewed, cents)."""
        n = now[0] + now[2]
        if n == 0 or share <= 0:
            return [0, 0, 0, 0]
        gone = self.part(name, n * share, n)
        automatic = min(gone - now[2] * gone // n, now[0])
        cut = [automatic, 0, gone - automatic, 0]
        for i in (0, 2):
            if cut[i]:
                some = now[i + 1] if cut[i] == now[i] else min(int(now[i + 1] * cut[i] // now[i] * weight), now[i + 1])
                cut[i + 1] = some
                now[i], now[i + 1] = now[i] - cut[i], now[i + 1] - some
        return cut

    def return_later(self, cut: list[int], share: float, at: int, name: str) -> int:
        """Let a share of what was taken out come again; return how many gave up, the reviewed first."""
        n = cut[0] + cut[2]
        if n == 0:
            return 0
        back = self.part(name, n * share, n)
        for i in (2, 0):
            lost = min(n - back - (n - cut[0] - cut[2]), cut[i])
            if lost:
                cents = cut[i + 1] * lost // cut[i]
                self.sums["cum_lost_cents"] += cents
                cut[i + 1] -= cents
                cut[i] -= lost
        for i in range(4):
            self.again[at][i] += cut[i]
        return n - back

    def enter_payout(self, minute: int, n: int, cents: int) -> None:
        self.sums["cum_payout_in"] += n
        self.sums["cum_payout_in_cents"] += cents
        if n:
            if self.payout and self.payout[-1].came == minute:
                self.payout[-1].n += n
                self.payout[-1].cents += cents
            else:
                self.payout.append(Lot(minute, n, cents))

    def pay(self, minute: int) -> bool:
        """Pay what line and wallet allow; return whether the wallet could not pay what was due."""
        rail, wallet, short = self.rail, self.rail.hot_cents >= 0, False
        hot = self.sums["hot_cents"] + (
            int(self.inputs.deposits[self.number, minute]) if self.inputs.deposits.size else 0
        )
        hot += self.refill.pop(minute, 0)
        closed = bool(self.inputs.closed.size and self.inputs.closed[self.number, minute])
        waiting = sum(lot.n for lot in self.payout)
        if waiting and not closed:
            credit = self.carry["paying"] + rail.payouts_per_minute
            left = able = min(int(credit), waiting) if (minute + 1) % rail.batch_minutes == 0 else 0
            while left and self.payout:
                lot = self.payout[0]
                done = min(lot.n, left)
                if wallet and lot.cents * done // lot.n > hot:
                    done, left, short = min(hot // (lot.cents // lot.n + 1), done), 0, True
                left -= min(done, left)
                hot -= (paid := lot.take(done)) if done else 0
                if done:
                    self.sums["cum_paid"] += done
                    self.sums["cum_paid_cents"] += paid
                    self.unconfirmed += [(minute, lot.came)] * done
                if lot.n == 0:
                    self.payout.popleft()
            paid_now = waiting - sum(lot.n for lot in self.payout)
            self.carry["paying"] = credit - paid_now if self.payout else 0.0
            assert paid_now <= able
        if wallet:
            self.move_cold(minute, hot)
        return short

    def move_cold(self, minute: int, hot: int) -> None:
        rail = self.rail
        if hot > rail.high_cents:
            self.sums["cold_cents"] += hot - rail.target_cents
            hot = rail.target_cents
        if hot < rail.low_cents and self.ordered_for <= minute and self.sums["cold_cents"] > 0:
            order = min(rail.target_cents - hot, self.sums["cold_cents"])
            times = self.inputs.refill_minutes[self.number] if self.inputs.refill_minutes.size else [1]
            self.ordered_for = minute + int(times[self.orders % len(times)])
            self.refill[self.ordered_for] += order
            self.sums["cold_cents"] -= order
            self.orders += 1
        self.sums["hot_cents"] = hot

    def settle(self, minute: int) -> None:
        """Take off what is final: paid long enough ago, or with enough blocks found since."""
        if self.rail.confirmations:
            blocks = [int(at) for at in self.inputs.blocks[self.number] if at < minute]
            final = [one for one in self.unconfirmed if sum(at >= one[0] for at in blocks) >= self.rail.confirmations]
        else:
            final = [one for one in self.unconfirmed if minute - one[0] >= self.rail.final_minutes]
        self.sums["cum_final"] += len(final)
        self.unconfirmed = [one for one in self.unconfirmed if one not in final]


class SlowLevels:
    """All rails, and the public."""

    def __init__(self, rules: FeedbackParameters, inputs: FeedbackInputs) -> None:
        self.parameters, self.inputs = rules, inputs
        self.rails = [SlowRail(number, rules, inputs) for number in range(len(rules.rails))]
        self.ints: dict[str, int] = dict.fromkeys(INT_NAMES, 0)
        self.floats: dict[str, float] = dict.fromkeys(FLOAT_NAMES, 0.0)
        self.floats["trust"] = 1.0
        self.credit = 0.0
        self.cascade = [0.0, 0.0]
        self.part_of_a_copy = 0.0
        self.intensity = {"copies": 0.0, "fright": 0.0, "calm": 0.0}
        self.used = {"copies": 0, "fright": 0, "calm": 0}
        self.posts = 0
        self.rows: list[tuple[dict[str, Any], list[dict[str, int]]]] = []

    def exogenous(self, name: str, minute: int) -> float:
        return float(self.inputs.exogenous[EXOGENOUS_NAMES.index(name), minute]) if self.inputs.exogenous.size else 0.0

    def step(self, minute: int, complaints: int, quiet: int) -> dict[str, Any]:
        """Return the columns of a minute."""
        self.hear(minute, complaints, quiet)
        now = [[int(x) for x in self.inputs.requests[r.number, :, minute]] for r in self.rails]
        for rail, want in zip(self.rails, now, strict=True):
            for i, more in enumerate(rail.again.pop(minute, [0, 0, 0, 0])):
                want[i] += more
        self.run(minute, now)
        self.pass_doors(minute, now)
        self.screen(minute, now)
        self.ints["new_short"] = sum(rail.pay(minute) for rail in self.rails)
        for rail in self.rails:
            rail.settle(minute)
        self.count(minute)
        columns = {**self.ints, **self.floats}
        self.rows.append((columns, [dict(rail.sums) for rail in self.rails]))
        return columns

    @property
    def exhausted(self) -> bool:
        """Whether drawn times were used up that could have been more."""
        inputs, crowd = self.inputs, len(self.inputs.panic_times) >= self.parameters.panic.depositors
        times = {"copies": inputs.copy_times, "fright": inputs.panic_times, "calm": inputs.calm_times}
        return any(
            len(at) and self.used[name] == len(at) and (name == "copies" or not crowd) for name, at in times.items()
        )

    # --- the public -----------------------------------------------------------------------------------------------

    def hear(self, minute: int, complaints: int, quiet: int) -> None:
        rumour, public, trusting = self.parameters.rumour, self.parameters.copies, self.parameters.trust
        before = ((minute - 1) * MINUTE_MS, minute * MINUTE_MS)
        background, campaign = (
            sum(before[0] <= at < before[1] for at in times)
            for times in (self.inputs.posts_ms, self.inputs.campaign_ms)
        )
        copied = self.ints["new_copies"]
        quiet += self.ints["new_copies_unanswerable"]
        posts = complaints + copied + background + campaign
        heard = self.floats["rumour"] * rumour.decay + complaints
        heard += rumour.copied * copied + rumour.background * background + rumour.campaign * campaign
        self.floats["rumour"] = heard
        self.floats["level_rumour"] = max(heard - rumour.threshold, 0.0) * rumour.level_per_complaint
        self.ints["new_complaints"] = complaints
        if public.per_post > 0:
            weights = self.marks(posts - quiet) + self.exogenous("boost", minute)
            hidden = self.marks(quiet) + self.exogenous("boost_unanswered", minute)
            for i, (decay, weight) in enumerate(((public.decay, weights), (public.unanswered_decay, hidden))):
                self.cascade[i] = self.cascade[i] * decay + public.per_post * (1.0 - decay) * weight
            new = self.ints["new_copies"] = self.passed("copies", self.inputs.copy_times, sum(self.cascade))
            self.ints["new_copies_unanswerable"] = self.split(new)
        trust = self.floats["trust"]
        trust += (1.0 - trust) * trusting.recovery - trust * trusting.loss_per_post * posts
        self.floats["trust"] = min(max(trust + self.exogenous("trust_shock", minute), 0.0), 1.0)
        self.floats["level_signup"] = 1.0 - trusting.signup_weight * (1.0 - self.floats["trust"])

    def split(self, copies: int) -> int:
        """Return how many of the copies nobody may answer: so many as their cascade's part, and carry the rest."""
        if copies == 0:
            return 0
        self.part_of_a_copy += copies * (self.cascade[1] / sum(self.cascade))
        some = min(math.floor(self.part_of_a_copy), copies)
        self.part_of_a_copy -= some
        return some

    def marks(self, posts: int) -> float:
        marks, weight = self.inputs.post_marks, 0.0
        for number in range(self.posts, self.posts + posts):
            weight += float(marks[number % len(marks)]) if len(marks) else 1.0
        self.posts += posts
        return weight

    def passed(self, name: str, times: Any, force: float) -> int:
        self.intensity[name] += force
        until = sum(1 for at in times if at <= self.intensity[name])
        new = until - self.used[name]
        self.used[name] = until
        return new

    def run(self, minute: int, now: list[list[int]]) -> None:
        panic = self.parameters.panic
        if not panic.depositors:
            return
        spreaders, panicked = self.ints["n_spreaders"], self.ints["cum_panicked"]
        excess = max(self.floats["rumour"] - self.parameters.rumour.threshold, 0.0)
        force = panic.spread * spreaders + panic.per_rumour * excess + self.exogenous("contagion", minute)
        force *= 1.0 + panic.distrust_weight * (1.0 - self.floats["trust"])
        first = self.used["fright"]
        calm_ones = panic.depositors - panicked
        new = min(self.passed("fright", self.inputs.panic_times, force * calm_ones / panic.depositors), calm_ones)
        for i in range(first, first + new):
            now[self.inputs.panic_rail[i]][0] += 1
            now[self.inputs.panic_rail[i]][1] += int(self.inputs.panic_cents[i])
        calmed = min(self.passed("calm", self.inputs.calm_times, panic.calm * spreaders), spreaders)
        self.ints["n_spreaders"], self.ints["cum_panicked"] = spreaders + new - calmed, panicked + new

    # --- withdrawals ----------------------------------------------------------------------------------------------

    def pass_doors(self, minute: int, now: list[list[int]]) -> None:
        rules = self.parameters
        gate, limits = rules.gateway, rules.limits
        asked = sum(want[0] + want[2] for want in now)
        self.ints["new_requests"] = asked
        load = asked + self.exogenous("other_requests", minute) + self.ints["n_open"] * gate.polls_per_open
        share = self.floats["error_share"] = error_share(gate.loads_per_minute, gate.error_shares, load)
        tight = self.exogenous("tightness", minute)
        if any(
            r.rail.hot_cents >= 0 and r.sums["hot_cents"] < limits.hot_share * r.rail.target_cents for r in self.rails
        ):
            tight = 1.0
        self.floats["tightness"] = tight
        failed = gave_up = refused = away = dropped = barred = breaches = 0
        for rail, want in zip(self.rails, now, strict=True):
            cut = rail.take(want, share, 1.0, "failing")
            failed += cut[0] + cut[2]
            gave_up += rail.return_later(cut, gate.retry_share, minute + gate.retry_minutes, "retrying")
        law = rules.countries
        self.floats["level_barred"] = sum(want[0] + want[2] for want in now) * law.barred_share * law.level_per_barred
        for rail, want in zip(self.rails, now, strict=True):
            n = want[0] + want[2]
            cut = rail.take(want, law.barred_share, law.barred_weight, "barring")
            rail.sums["cum_lost_cents"] += cut[1] + cut[3]
            barred += cut[0] + cut[2]
            breaches += rail.part("breaching", n * law.breach_share, want[0] + want[2])
        for rail, want in zip(self.rails, now, strict=True):
            cut = rail.take(want, tight * limits.over_share, limits.over_weight, "exceeding")
            refused += cut[0] + cut[2]
            away += rail.return_later(cut, limits.back_share, minute + limits.back_minutes, "returning")
        for rail, want in zip(self.rails, now, strict=True):
            cut = rail.take(want, rules.drop_share, 1.0, "dropping")
            dropped += cut[0] + cut[2]
            rail.sums["cum_lost_cents"] += cut[1] + cut[3]
        for name, more in (("failed", failed), ("gave_up", gave_up), ("over_limit", refused), ("turned_away", away)):
            self.ints[f"cum_{name}"] += more
        for name, more in (("dropped", dropped), ("barred", barred), ("breaches", breaches)):
            self.ints[f"cum_{name}"] += more
        self.floats["level_fault"] = gave_up * gate.level_per_gave_up * (1.0 - self.exogenous("quiet_fault", minute))
        self.floats["level_limited"] = (
            refused * limits.level_per_refusal * (1.0 - self.exogenous("quiet_limited", minute))
        )
        self.err("address", rules.wrong_address, now)
        self.err("network", rules.wrong_network, now)

    def err(self, kind: str, mistake: Mistake, now: list[list[int]]) -> None:
        """Count what goes astray of what was confirmed."""
        passed = sum(want[0] + want[2] for want in now)
        for rail, want in zip(self.rails, now, strict=True):
            n = want[0] + want[2]
            some = rail.part(f"erring {kind}", n * mistake.share, n)
            self.ints[f"cum_wrong_{kind}"] += some
            self.ints[f"cum_wrong_{kind}_cents"] += (want[1] + want[3]) * some // n if n else 0
        self.floats[f"level_{kind}"] = passed * mistake.share * mistake.level_per_mistake

    def screen(self, minute: int, now: list[list[int]]) -> None:
        for rail, (automatic, auto_cents, reviewed, hand_cents) in zip(self.rails, now, strict=True):
            rail.sums["cum_review_in"] += reviewed
            rail.sums["cum_review_in_cents"] += hand_cents
            if reviewed:
                rail.review.append(Lot(minute, reviewed, hand_cents))
            n, cents = rail.release.pop(minute, [0, 0])
            self.ints["cum_released"] += n
            rail.enter_payout(minute, automatic + n, auto_cents + cents)
        waiting = sum(lot.n for rail in self.rails for lot in rail.review)
        if not waiting:
            self.credit = self.floats["review_credit"] = 0.0
            return
        credit = self.credit + self.parameters.reviews_per_minute
        able = left = min(int(credit), waiting)
        while left:
            oldest = min(rail.review[0].came for rail in self.rails if rail.review)
            rail = next(rail for rail in self.rails if rail.review and rail.review[0].came == oldest)
            lot = rail.review[0]
            done = min(lot.n, left)
            cents = lot.take(done)
            left -= done
            if lot.n == 0:
                rail.review.popleft()
            self.pass_review(rail, minute, done, cents)
        self.credit = self.floats["review_credit"] = credit - able if waiting > able else 0.0

    def pass_review(self, rail: SlowRail, minute: int, done: int, cents: int) -> None:
        rail.sums["cum_reviewed"] += done
        rail.sums["cum_reviewed_cents"] += cents
        held = rail.part("holding", done * self.parameters.held_share, done) if self.parameters.held_share > 0 else 0
        held_cents = cents * held // done
        if held:
            there = rail.release[minute + self.parameters.hold_minutes]
            there[0], there[1] = there[0] + held, there[1] + held_cents
        self.ints["cum_held"] += held
        rail.enter_payout(minute, done - held, cents - held_cents)

    def count(self, minute: int) -> None:
        promise = self.parameters.promise_minutes
        late = waiting = held = again = 0
        for rail in self.rails:
            lots = [*rail.review, *rail.payout, *(Lot(came, 1, 0) for _, came in rail.unconfirmed)]
            waiting += sum(lot.n for lot in lots)
            late += sum(lot.n for lot in lots if minute - lot.came >= promise)
            held += sum(n for n, _ in rail.release.values())
            again += sum(lot[0] + lot[2] for lot in rail.again.values())
            rail.sums["again_cents"] = sum(lot[1] + lot[3] for lot in rail.again.values())
            rail.sums["held_cents"] = sum(cents for _, cents in rail.release.values())
            rail.sums["transit_cents"] = sum(rail.refill.values())
        free = 1.0 - self.exogenous("quiet_late", minute)
        self.ints["n_late"], self.ints["n_open"], self.ints["n_again"] = late, waiting + held, again
        self.floats["level_late"] = late * self.parameters.late_level_per_withdrawal * free


def error_share(loads: tuple[float, ...], errors: tuple[float, ...], load: float) -> float:
    """Return the share of requests that fail at a load."""
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


assert len(STREAMS) == 8
