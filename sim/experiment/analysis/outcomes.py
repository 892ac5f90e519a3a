"""The ways in which the replications of a run end, where these are of separate kinds: no number in between is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sim.core.arrays import Floats, Mask
from sim.core.at_least import AtLeast, is_censored
from sim.numerics.outcomes import two_clusters
from sim.numerics.statistics import quantile_of_sorted

_METRICS = 3


@dataclass(frozen=True)
class Outcome:
    """One kind: in how many replications, and the metric's median and 5 and 95 % quantiles in these.

    ``kind`` is "" for values, "none" where the metric's 0 means that nothing happened, and "beyond" where only lower
    bounds are known; the least of these is then in each of the quantiles.
    """

    replications: int
    p05: float
    p50: float
    p95: float
    kind: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``metrics.json``; ``kind`` only where there is one."""
        return {name: value for name, value in asdict(self).items() if value != ""}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Outcome:
        """Return the outcome of an entry of ``metrics.json``. Raises TypeError for one that is none."""
        one = cls(**entry)
        return _beyond(one.replications, one.p05) if one.kind == "beyond" else one


def common_cut(columns: Iterable[Sequence[float | None]]) -> Mask | None:
    """Return which replications are of the second kind, where a run has futures of two kinds; None where it has not.

    It has if the values of 3 or more metrics lie in two clusters, with the same replications in each of both: a metric
    alone may do so by chance. The second kind is that in which most of these metrics are higher.
    """
    cuts: Counter[tuple[bool, ...]] = Counter()
    higher: Counter[tuple[bool, ...]] = Counter()
    for values in columns:
        known = [value for value in values if value is not None and not is_censored(value)]
        between = two_clusters(np.array(known)) if len(known) == len(values) else None
        if between is not None:
            above = np.array(known) > between
            cuts[tuple((above ^ above[0]).tolist())] += 1
            higher[tuple(above.tolist())] += 1
    cut, metrics = cuts.most_common(1)[0] if cuts else ((), 0)
    if metrics < _METRICS:
        return None
    other = tuple(not one for one in cut)
    return np.array(cut if higher[cut] > higher[other] else other)


def outcomes_of(
    values: Sequence[float], *, none_is_apart: bool = False, cut: Mask | None = None, alone: bool = True
) -> tuple[Outcome, ...]:
    """Return the kinds of a metric's values, the least first, or as in ``cut``; nothing where all are of one.

    Kinds are: values of two separate clusters (``sim.numerics.outcomes.two_clusters``), those beyond the horizon, and,
    where ``none_is_apart``, those that are 0. In a run of two kinds (``cut``, by replication) the values are of these
    where their 5 to 95 % ranges do not meet. A metric that is not ``alone`` has no clusters of its own: among the
    hundreds of a run some would have them by chance.
    """
    if cut is not None and len(cut) == len(values) and not any(map(is_censored, values)):
        x = np.array([float(value) for value in values])
        first, second = _outcome(np.sort(x[~cut])), _outcome(np.sort(x[cut]))
        return (first, second) if first.p95 < second.p05 or second.p95 < first.p05 else ()
    beyond = [value for value in values if is_censored(value)]
    known = np.sort([float(value) for value in values if not is_censored(value)])
    none = known[known == 0] if none_is_apart else known[:0]
    rest = known[len(none) :]
    parts = [(none, "none"), *((part, "") for part in (_parts(rest) if alone else [rest]))]
    found = [_outcome(part, kind) for part, kind in parts if len(part)]
    found += [_beyond(len(beyond), min(beyond))] if beyond else []
    return tuple(found) if len(found) > 1 else ()


def _parts(known: Floats) -> list[Floats]:
    between = two_clusters(known)
    return [known] if between is None else [known[known < between], known[known > between]]


def _beyond(replications: int, least: float) -> Outcome:
    bound = AtLeast(least)
    return Outcome(replications, bound, bound, bound, "beyond")


def _outcome(known: Floats, kind: str = "") -> Outcome:
    p05, p50, p95 = (float(quantile_of_sorted(known, p) or 0.0) for p in (0.05, 0.5, 0.95))
    return Outcome(len(known), p05, p50, p95, kind)
