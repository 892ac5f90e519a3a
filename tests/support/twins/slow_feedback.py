"""The live levels once more, slowly: the public as plain sums over the past, and its withdrawals one by one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sim.core.clock import MINUTE_MS
from sim.feedback import FeedbackInputs, FeedbackParameters
from sim.feedback.columns import EXOGENOUS_NAMES, FLOAT_NAMES, INT_NAMES
from tests.support.twins.slow_withdrawals import Around, SlowWithdrawals


class SlowLevels:
    """All rails, and the public."""

    def __init__(self, rules: FeedbackParameters, inputs: FeedbackInputs) -> None:
        self.parameters, self.inputs = rules, inputs
        self.withdrawals = SlowWithdrawals(rules, inputs)
        self.ints: dict[str, Any] = dict.fromkeys(INT_NAMES, 0)
        self.floats: dict[str, Any] = dict.fromkeys(FLOAT_NAMES, 0.0)
        self.floats["trust"] = 1.0
        self.cascade = [0.0, 0.0]
        self.part_of_a_copy = 0.0
        self.intensity = {"copies": 0.0, "fright": 0.0, "calm": 0.0}
        self.used = {"copies": 0, "fright": 0, "calm": 0}
        self.posts = 0
        self.rows: list[tuple[dict[str, Any], list[dict[str, int]]]] = []

    def exogenous(self, name: str, minute: int) -> float:
        return float(self.inputs.exogenous[EXOGENOUS_NAMES.index(name), minute]) if self.inputs.exogenous.size else 0.0

    def step(self, minute: int, complaints: int, quiet: int, tickets: int, open_tickets: int) -> dict[str, Any]:
        """Return the columns of a minute, from the desk's posts of the minute before, its tickets, and those open."""
        newcomers = self.floats["admitted_signup"]
        self.hear(minute, complaints, quiet)
        around = Around(tickets, open_tickets, newcomers, self.run(minute))
        exogenous = {name: self.exogenous(name, minute) for name in EXOGENOUS_NAMES}
        elsewhere = {
            name: self.exogenous(name, minute - 1) if minute else 0.0
            for name in ("other_requests", "newcomer_requests")
        }
        for name, value in self.withdrawals.step(minute, around, exogenous, elsewhere).items():
            table = self.ints if name in self.ints else self.floats
            assert name in table
            table[name] = value
        columns = {**self.ints, **self.floats}
        self.rows.append((columns, self.withdrawals.by_rail()))
        return columns

    def row_table(self) -> np.ndarray:
        """Return the table of the withdrawals with an identity, as they are now."""
        return self.withdrawals.row_table()

    def class_table(self) -> np.ndarray:
        """Return what became of the counted ones, by rail and class."""
        return self.withdrawals.class_table()

    @property
    def exhausted(self) -> bool:
        """Whether drawn times were used up that could have been more."""
        inputs, crowd = self.inputs, len(self.inputs.panic_times) >= self.parameters.panic.depositors
        times = {"copies": inputs.copy_times, "fright": inputs.panic_times, "calm": inputs.calm_times}
        can_be_more = {"copies": len(inputs.copy_times) < 1 << 20, "fright": not crowd, "calm": not crowd}
        used_up = [can_be_more[name] and len(at) and self.used[name] == len(at) for name, at in times.items()]
        return any(used_up) or bool(len(inputs.post_marks) and self.posts > len(inputs.post_marks))

    # --- the public -----------------------------------------------------------------------------------------------

    def hear(self, minute: int, complaints: int, quiet: int) -> None:
        rumour, public, trusting = self.parameters.rumour, self.parameters.copies, self.parameters.trust
        before = ((minute - 1) * MINUTE_MS, minute * MINUTE_MS)
        background, campaign = (
            sum(before[0] <= at < before[1] for at in times)
            for times in (self.inputs.posts_ms.tolist(), self.inputs.campaign_ms.tolist())
        )
        copied = self.ints["new_copies"]
        quiet += self.ints["new_copies_unanswerable"]
        posts = complaints + copied + background + campaign
        heard = self.floats["rumour"] * rumour.decay + complaints
        heard += rumour.copied * copied + rumour.background * background + rumour.campaign * campaign
        self.floats["rumour"] = heard
        above = 0.0 if self.exogenous("tickets_closed", minute) else max(heard - rumour.threshold, 0.0)
        self.floats["admitted_rumour"] = above * rumour.admitted_per_complaint
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
        self.floats["admitted_signup"] = 1.0 - trusting.signup_weight * (1.0 - self.floats["trust"])

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
            weight += float(marks[number]) if number < len(marks) else 1.0
        self.posts += posts
        return weight

    def passed(self, name: str, times: Any, force: float) -> int:
        self.intensity[name] += force
        until = sum(1 for at in times if at <= self.intensity[name])
        new = until - self.used[name]
        self.used[name] = until
        return new

    def run(self, minute: int) -> list[int]:
        """Frighten depositors, and calm some; return the numbers of those who ask for their money."""
        panic = self.parameters.panic
        if not panic.depositors:
            return []
        spreaders, panicked = self.ints["n_spreaders"], self.ints["cum_panicked"]
        excess = max(self.floats["rumour"] - self.parameters.rumour.threshold, 0.0)
        others = panic.per_rumour * excess + self.exogenous("contagion", minute)
        distrust = 1.0 + panic.distrust_weight * (1.0 - self.floats["trust"])
        asked, rest, happened = [], 1.0, True
        while happened:
            calm_ones = panic.depositors - panicked
            rates = {
                "fright": (panic.spread * spreaders + others) * distrust * calm_ones / panic.depositors,
                "calm": panic.calm * spreaders,
            }
            waits = {name: self.wait(name, rate) for name, rate in rates.items()}
            what = min(waits, key=lambda name: waits[name])  # a fright first, where both are due
            happened = waits[what] <= rest
            lasted = waits[what] if happened else rest
            for name, rate in rates.items():
                self.intensity[name] += rate * lasted
            if happened:
                rest -= lasted
                self.intensity[what] = float(self.unit_times(what)[self.used[what]])
                self.used[what] += 1
                spreaders += 1 if what == "fright" else -1
            if happened and what == "fright":
                asked.append(self.used["fright"] - 1)
                panicked += 1
        self.ints["n_spreaders"], self.ints["cum_panicked"] = spreaders, panicked
        return asked

    def unit_times(self, name: str) -> Any:
        return self.inputs.panic_times if name == "fright" else self.inputs.calm_times

    def wait(self, name: str, rate: float) -> float:
        """Return the minutes until the next fright or calming at this rate."""
        times, used = self.unit_times(name), self.used[name]
        if used >= len(times) or rate <= 0:
            return math.inf
        return max(float(times[used]) - self.intensity[name], 0.0) / rate
