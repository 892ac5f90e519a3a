"""The sentence that a manager needs: what staging holds, what will come, and what the difference costs.

What it holds comes from ``capacity.json``, or, as a lower bound, from what the run itself proved of each endpoint. What
will come is the p95 peak of each endpoint, and the minutes of the run's trace. No total stands for its parts: the
endpoint with the least room decides. What a shortage costs is the paired difference of two runs of the scenario,
without the capacity and with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

from loadtests.core.faults import InputError
from loadtests.core.schedule import ALL
from sim.core.proven import PLURALS, conclusion, proofs_of
from sim.core.tables import ENDPOINTS

FORMAT = 1
ALL_PEAK = "requests_peak_per_s"
PEAKS = {ALL: ALL_PEAK} | {name: f"{ALL_PEAK}.{name}" for name in ENDPOINTS}
"""The metrics whose p95 is the peak of all endpoints together, and of each."""
OLDER_PEAKS = {"withdrawal": "withdrawals_peak_per_s", "ticket": "tickets_peak_per_s"}
"""Those that traces of earlier versions have."""
COSTS = {
    "failed withdrawals": "withdrawals_failed_per_day",
    "tickets": "tickets_new_per_day",
    "public complaints": "complaints_public_per_day",
}
"""What a shortage costs, and the differences that count it."""
_SECONDS = 60


class PairedDifference(Protocol):
    """A paired difference of a metric, as ``sim.compare`` gives it."""

    @property
    def mean(self) -> float:
        """The mean difference, with the capacity less without."""

    @property
    def half_width(self) -> float | None:
        """Half of its 95 % interval."""


@dataclass(frozen=True)
class Amount:
    """A number and its interval; a side that is not known is None."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Shortage:
    """What is held against what comes, in requests a second; ``minutes`` above what is held, in the run's trace.

    ``endpoint`` is the one that is shortest of capacity, or "all". ``open_ended``: the trace began or ended above.
    ``missing``: the endpoints that will get requests and whose capacity was not measured. ``mix``: the mix of all
    endpoints, where that is short and only as much is known of this one as the mix proves.
    """

    endpoint: str
    holds: Amount
    peak_per_s: float
    minutes: Amount
    open_ended: bool
    missing: tuple[str, ...] = ()
    mix: Shortage | None = None

    @property
    def short_per_s(self) -> float:
        """By how much the peak exceeds what is held; 0 when it does not."""
        return max(self.peak_per_s - self.holds.value, 0.0)

    @property
    def surely_short(self) -> bool:
        """Whether it is short, and a rate that is not held was seen."""
        return self.short_per_s > 0 and self.holds.high is not None


def read_capacity(path: Path) -> dict[str, Amount]:
    """Return the capacities in a ``capacity.json`` by endpoint. Raises InputError with every fault found."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        entries = dict(value["endpoints"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError([f"--capacity: got {path}; must be a capacity.json as withstand capacity writes"]) from None
    faults = [] if value.get("format") == FORMAT else [f"{path}: format: got {value.get('format')}; must be {FORMAT}"]
    found = {}
    for name, entry in entries.items():
        held = entry.get("capacity_per_s") if isinstance(entry, dict) else None
        if name not in (ALL, *ENDPOINTS):
            faults.append(f"{path}: endpoints.{name}: got a key; must be one of {', '.join((ALL, *ENDPOINTS))}")
        elif not isinstance(held, dict) or not _is_amount(held):
            rule = "must be value, low and high, 0 or more; high may be null"
            faults.append(f"{path}: endpoints.{name}.capacity_per_s: got {held!r}; {rule}")
        else:
            found[name] = Amount(held["value"], held["low"], held["high"])
    if ALL in found:
        found = _of_mix(found[ALL], entries[ALL].get("shares") or {}) | found
    if not entries:
        faults.append(f"{path}: endpoints: got none; must hold at least one")
    if faults:
        raise InputError(faults)
    return found


def _of_mix(mix: Amount, shares: Mapping[str, float]) -> dict[str, Amount]:
    """Return what a mix proves of its endpoints: each was held at its share, and may hold more alone."""
    return {
        name: Amount(mix.value * share, None if mix.low is None else mix.low * share, None)
        for name, share in shares.items()
        if name in ENDPOINTS
    }


def _is_amount(held: Mapping[str, Any]) -> bool:
    numbers = [held.get("value"), held.get("low"), held.get("high")]
    if numbers[2] is None:
        numbers.pop()
    return all(isinstance(n, (int, float)) and not isinstance(n, bool) and isfinite(n) and n >= 0 for n in numbers)


def shortage(capacity: Mapping[str, Amount], predicted: Mapping[str, Any]) -> Shortage | None:
    """Return how what comes compares with what is held, for the endpoint (or the mix) with the least room.

    ``predicted``: as in a trace's header. None where nothing is predicted for what was measured.
    """
    found = [s for name, holds in capacity.items() if (s := _against(name, holds, predicted)) is not None]
    tightest = min(found, key=lambda one: one.holds.value / one.peak_per_s, default=None)
    if tightest is None or list(capacity) == [ALL]:  # of what the mix consists is not known
        return tightest
    missing = tuple(name for name in peaks_of(predicted) if name not in (ALL, *capacity))
    mix = next((one for one in found if one.endpoint == ALL and one.surely_short), None)
    return replace(tightest, missing=missing, mix=None if tightest.endpoint == ALL else mix)


def peaks_of(predicted: Mapping[str, Any]) -> dict[str, float]:
    """Return the p95 peak of all endpoints together and of each that gets requests, in requests a second.

    Where the header of a trace has none, it is the busiest minute of the trace.
    """
    per_minute, whole = predicted.get("per_minute") or {}, predicted.get("whole_run_peak_per_s") or {}
    found = {}
    for name, metric in PEAKS.items():
        rows = [per_minute[one] for one in ENDPOINTS if one in per_minute and name in (one, ALL)]
        own = max((sum(counts) / _SECONDS for counts in zip(*rows, strict=True)), default=0.0)
        row = whole.get(metric) or whole.get(OLDER_PEAKS.get(name, "")) or {}
        found[name] = row.get("p95") or own
    return {name: peak for name, peak in found.items() if peak}


def _against(name: str, holds: Amount, predicted: Mapping[str, Any]) -> Shortage | None:
    per_minute = predicted.get("per_minute") or {}
    rows = [per_minute[one] for one in ENDPOINTS if one in per_minute and name in (one, ALL)]
    rates = [sum(counts) / _SECONDS for counts in zip(*rows, strict=True)]
    peak = peaks_of(predicted).get(name)
    if not peak:
        return None
    above = [None if limit is None else sum(rate > limit for rate in rates)
             for limit in (holds.value, holds.high, holds.low)]  # fmt: skip
    ends = bool(rates) and (rates[0] > holds.value or rates[-1] > holds.value)
    return Shortage(name, holds, peak, Amount(above[0] or 0, above[1], above[2]), ends)


def costs_of(differences: Mapping[str, PairedDifference], days: float) -> dict[str, Amount]:
    """Return what the shortage costs over a scenario of ``days`` days, from paired differences of daily metrics.

    What the runs do not count is left out.
    """
    found = {}
    for name, metric in COSTS.items():
        if metric in differences:
            mean, half = differences[metric].mean * days, differences[metric].half_width
            limits = (None, None) if half is None else (mean - half * days, mean + half * days)
            found[name] = Amount(mean, *limits)
    return found


def told(
    verdict: Mapping[str, Any],
    predicted: Mapping[str, Any],
    capacity: Mapping[str, Amount] | None,
    costs: Mapping[str, Amount] | None,
) -> dict[str, Any] | None:
    """Return ``sentence`` and its numbers for a verdict; None where neither a capacity nor this run shows it.

    ``capacity``: None for what this run proves. ``costs``: None where no pair of runs was made.
    """
    if capacity is None:
        told_so = conclusion([verdict["headroom"]])
        proofs = [asdict(proof) for proof in proofs_of([verdict["headroom"]])]
        return {"sentence": f"staging: {told_so}", "proofs": proofs} if told_so else None
    found = shortage(capacity, predicted)
    if found is None:
        return None
    return {
        "sentence": sentence(found, costs),
        **asdict(found),
        "short_per_s": found.short_per_s,
        "costs": None if costs is None else {name: asdict(amount) for name, amount in costs.items()},
    }


def sentence(found: Shortage, costs: Mapping[str, Amount] | None) -> str:
    """Return the sentence of a measured capacity: its tightest endpoint, what a shortage costs, what is not measured.

    Where the mix is short, it comes first, and then the endpoint of which it proves least.
    """
    if found.mix is not None:
        least = f"at least {_shown(found.holds)}/s, their p95 peak is {_number(found.peak_per_s)}{_missing(found)}"
        return f"{sentence(found.mix, costs)}; least is proven of {PLURALS[found.endpoint]}: {least}"
    what = "requests/s of the run's mix" if found.endpoint == ALL else f"{PLURALS[found.endpoint]}/s"
    least = "at least " if found.holds.high is None else ""
    begin = f"staging holds {least}{_shown(found.holds)} {what}, their p95 peak is {_number(found.peak_per_s)}"
    tightest = "" if found.endpoint == ALL else " at the tightest"
    missing = _missing(found)
    low = found.holds.value if found.holds.low is None else found.holds.low
    if not found.surely_short:
        if low < found.peak_per_s:
            why = "no higher rate was measured" if found.holds.high is None else "the interval begins below it"
            return f"{begin}: not proven, for {why}{missing}"
        whole = "enough for what was measured" if found.missing else "enough"
        return f"{begin}: {whole}, with {low / found.peak_per_s - 1:.0%} to spare{tightest}{missing}"
    more = " or more, for the trace begins or ends above it" if found.open_ended else ""
    minutes = "minute" if found.minutes == Amount(1, 1, 1) else "minutes"
    short = f"{begin}; short by {_number(found.short_per_s)} for {_shown(found.minutes)} {minutes}{more}{missing}"
    return f"{short}; {_cost_words(costs)}"


def _missing(found: Shortage) -> str:
    return f"; not measured: {', '.join(PLURALS[name] for name in found.missing)}" if found.missing else ""


def _cost_words(costs: Mapping[str, Amount] | None) -> str:
    if not costs:
        return "what that costs is not known without a run of the scenario with this capacity"
    words: Sequence[str] = [_cost(name, amount) for name, amount in costs.items()]
    return "that costs about " + ", ".join(words)


def _cost(name: str, amount: Amount) -> str:
    """Return a cost in whole numbers of two digits; a mean of none or less, which only chance can make, is no cost."""
    value, low, high = (
        None if n is None else f"{float(f'{round(n):.2g}'):,.0f}" for n in (amount.value, amount.low, amount.high)
    )
    between = "" if low is None or high is None or low == value == high else f" ({low} to {high})"
    return f"{value}{between} {name}" if round(amount.value) > 0 else f"no{between} {name}"


def _shown(amount: Amount) -> str:
    if amount.low is None or amount.high is None or amount.low == amount.value == amount.high:
        return _number(amount.value)
    return f"{_number(amount.value)} ({_number(amount.low)} to {_number(amount.high)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"
