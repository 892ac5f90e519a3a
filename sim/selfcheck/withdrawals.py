"""The withdrawal pipeline, whole scenarios of it: gateway, limits, review and hold, the payout line, the promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sim import theory
from sim.core.clock import MINUTE_MS
from sim.feedback import columns as level
from sim.metrics.observation.replication import Observation
from sim.selfcheck.check import Check, Compared

PER_MINUTE = 5.0
"""7,200 requests a day: 100,000 customers, of whom a tenth are active and ask 0.72 times a day."""
_DAY, _REVIEW, _FINAL = 1440, 1, 10
"""Minutes: of a day; from acceptance to the next tick, which reviews; and from payment to the final state."""
_SCENARIO = """
title = "Withdrawals alone"
days = {days}
warmup_days = 1
[population]
registered = 100_000
mau_share = 0.1
tickets_per_mau_day = 0
withdrawals_per_mau_day = {per_day}
[categories.howto]
arrivals_per_hour = 0.1
steps.answer = {{ queue = "inbox", handle = {{ law = "deterministic", value = "1 min" }} }}
[teams.front]
serves = ["inbox"]
agents = 1
[withdrawals]
payouts_per_minute = {payouts}
reviews_per_hour = 6000
confirmation = "{final} min"
promise = "1 h"
late_tickets_per_hour = 0
late_category = "howto"
late_ceiling_per_hour = 1
amount_mean_usd = 1500
amount_cv = 1
assets.COIN = 1.0
{more}
"""


def checks() -> Iterator[Check]:
    """Yield the checks of the pipeline."""
    yield _overload()
    yield _line("payout-line-minute", per_minute=0.75, batch=1, places=1, days=20)
    yield _line("payout-line-batch", per_minute=5.0, batch=10, places=55, days=24)
    yield _gateway()
    yield _limit()
    yield _hold()


def _scenario(*, days: int, more: str, per_minute: float = PER_MINUTE, payouts: float = 1000.0) -> str:
    per_day = per_minute * _DAY / 10_000
    return _SCENARIO.format(days=days, per_day=per_day, payouts=payouts, final=_FINAL, more=more)


def _grown(column: int) -> Callable[[Observation], float]:
    """Return by how much a running sum grew in a measured day."""

    def grown(observed: Observation) -> float:
        line = observed.outcome.feedback_ints[column]
        return float(line[-1] - line[observed.from_ms // MINUTE_MS - 1]) / observed.days

    return grown


def _asked(observed: Observation) -> float:
    return float(observed.outcome.feedback_ints[level.REQUESTS, observed.from_ms // MINUTE_MS :].sum())


def _overload() -> Check:
    """3.3 payments a minute are 4,752 a day to the last one, when there is always somebody in line."""
    rate = 3.3

    def paid(observed: Observation) -> float:
        line = observed.outcome.feedback_rails[0, level.PAID]
        return float(line[-1] - line[observed.from_ms // MINUTE_MS - 1]) / observed.days

    return Check(
        name="payout-rate",
        scenario=_scenario(days=2, payouts=rate, more="review_share = 0"),
        quantities=(Compared("payments a day of a line that never ends", rate * _DAY, paid),),
        source="arithmetic",
    )


def _line(name: str, *, per_minute: float, batch: int, places: int, days: int) -> Check:
    """Poisson requests before a line that takes so many at each batch, from an unlimited wallet."""

    def left(observed: Observation) -> float:
        rail, first = observed.outcome.feedback_rails[0], observed.from_ms // MINUTE_MS
        return float((rail[level.PAYOUT_IN] - rail[level.PAID])[first::batch].mean())

    more = f'review_share = 0\n[withdrawals.rails.COIN]\nbatch = "{batch} min"'
    return Check(
        name=name,
        scenario=_scenario(days=days, per_minute=per_minute, payouts=places / batch, more=more),
        quantities=(
            Compared(
                "mean number that a batch leaves in line",
                theory.left_after_batch(arrivals=per_minute * batch, places=places), left,
            ),
        ),
        source="Spitzer 1956",
    )  # fmt: skip


def _gateway() -> Check:
    """A third of all attempts fails whatever the load, and six tenths of those are made again."""
    failure, again, days = 0.3, 0.6, 10
    q = theory.retried(failure=failure, again=again)
    more = f"""review_share = 0
[gateway]
loads_per_s = [1000]
error_shares = [{failure}]
retry_share = {again}
retry_after = "5 min"
tickets_per_failure = 0
category = "howto"
ceiling_per_hour = 1"""
    return Check(
        name="gateway-retries",
        scenario=_scenario(days=days, more=more),
        quantities=(
            Compared("attempts a minute", PER_MINUTE * q.attempts, lambda f: _asked(f) / f.days / _DAY),
            Compared("given up a day", PER_MINUTE * _DAY * q.given_up, _grown(level.GAVE_UP)),
        ),
        source="geometric law",
    )


def _limit() -> Check:
    """A limit for everybody at all times (the market's factor is 1): who is refused does not ask again."""
    limit, days = 4000.0, 15
    q = theory.above(limit, mean=1500, cv=1)
    more = f"""review_share = 0
[withdrawals.limits]
amount_usd = {limit}
stress_from = 0.5
stress_to = 0.9
back_share = 0
back_after = "1 h"
tickets_per_refusal = 0
category = "howto"
ceiling_per_hour = 1"""

    def money(observed: Observation) -> float:
        first = observed.from_ms // MINUTE_MS
        lost, taken = (observed.outcome.feedback_rails[0, one] for one in (level.LOST_C, level.PAYOUT_IN_C))
        refused, let_pass = (int(line[-1] - line[first - 1]) for line in (lost, taken))
        return refused / (refused + let_pass)

    return Check(
        name="limit-lognormal",
        scenario=_scenario(days=days, more=more),
        quantities=(
            Compared(
                "share of the requests refused", q.share,
                lambda f: _grown(level.OVER_LIMIT)(f) * f.days / _asked(f),
            ),
            Compared("share of their money", q.money, money),
        ),
        source="Aitchison and Brown 1957",
    )  # fmt: skip


def _hold() -> Check:
    """Three tenths are reviewed by the next tick, half of these held for 12 h: late is who was accepted an hour ago and
    is not final. By Little's law that is the rate of the held times the time beyond the promise."""
    hold, promise, reviewed, held = 720, 60, 0.3, 0.5
    beyond = _REVIEW + hold + _FINAL - promise
    more = f'review_share = {reviewed}\nheld_share = {held}\nhold = "{hold} min"'

    def late(observed: Observation) -> float:
        return float(observed.outcome.feedback_ints[level.N_LATE, observed.from_ms // MINUTE_MS :].mean())

    def open_ones(observed: Observation) -> float:
        return float(observed.outcome.feedback_ints[level.N_OPEN, observed.from_ms // MINUTE_MS :].mean())

    under_way = PER_MINUTE * (_FINAL + reviewed * (_REVIEW + held * hold))
    return Check(
        name="hold-promise",
        scenario=_scenario(days=4, more=more),
        quantities=(
            Compared("mean number late", PER_MINUTE * reviewed * held * beyond, late),
            Compared("mean number under way", under_way, open_ones),
            Compared("held a day", PER_MINUTE * _DAY * reviewed * held, _grown(level.HELD)),
        ),
        source="Little 1961",
    )
