"""Survival of censored times: the product-limit estimate of Kaplan and Meier, and Aalen and Johansen's of two ends."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.core.arrays import Floats, Ints
from sim.core.jit import compiled, inlined

NOT_REACHED = -1


def group_bits(groups: int) -> int:
    """Return the bits that a key of ``quantiles`` keeps for its group."""
    return int(groups).bit_length()


def quantiles(keys: Ints, groups: int, shares: tuple[float, ...]) -> Ints:
    """Return the Kaplan-Meier quantiles, ms: a row for each group and, last, one for all; NOT_REACHED where none is.

    The p-quantile is the smallest time at which the product-limit estimate of P(T <= t) = 1 - S(t) reaches p, with
    1e-10 allowed for the rounding of the product. Source: Kaplan and Meier 1958, JASA 53:457-481.

        S(t) = product over event times t_i <= t of (1 - d_i / n_i)
        d_i  events at t_i;  n_i  durations of t_i or longer, so one censored at t_i still counts as at risk there

    A key is (duration_ms * 2 + censored) << group_bits(groups) | group, so that keys in order have the events of an
    instant before what is censored in it. Durations are 0 or more and below 2^60. ``keys`` is put in order.
    ``shares`` must rise.
    """
    keys.sort()
    return product_limit(keys, groups, group_bits(groups), np.array(shares))


class ProductLimit(NamedTuple):
    """By group: the survival per head at risk, the shares reached, and at how many heads the next one is."""

    survival: Floats
    reached: Ints
    enough: Ints
    shares: Floats
    found: Ints


@compiled
def product_limit(keys: Ints, groups: int, bits: int, shares: Floats) -> Ints:
    """Return the quantiles of sorted keys.

    Between two censored durations the product telescopes, so that it is worked out at these alone.
    """
    found = np.full((groups + 1, len(shares)), NOT_REACHED, np.int64)
    counts, group_mask = np.zeros(groups + 1, np.int64), (1 << bits) - 1
    estimate = ProductLimit(np.ones(groups + 1), np.zeros_like(counts), np.zeros_like(counts), shares, found)
    for key in keys:
        counts[key & group_mask] += 1
    counts[groups] = len(keys)
    for g in range(groups + 1):
        estimate.survival[g] = 1.0 / max(counts[g], 1)
        look_ahead(estimate, g)
    for i in range(len(keys)):
        key = keys[i]
        duration, censored, g = key >> bits >> 1, key >> bits & 1, key & group_mask
        counts[g] -= 1
        leave(estimate, g, counts[g], duration, censored)
        leave(estimate, groups, len(keys) - 1 - i, duration, censored)
    return found


@inlined
def leave(estimate: ProductLimit, g: int, at_risk: int, duration: int, censored: int) -> None:
    """Let one of a group go, by the event or censored, so that ``at_risk`` stay."""
    if not censored:
        while at_risk <= estimate.enough[g]:
            estimate.found[g, estimate.reached[g]] = duration
            estimate.reached[g] += 1
            look_ahead(estimate, g)
    elif at_risk > 0:
        estimate.survival[g] *= (at_risk + 1) / at_risk
        look_ahead(estimate, g)


@inlined
def look_ahead(estimate: ProductLimit, g: int) -> None:
    """Work out with how many at risk the next share is reached; -1, and so never, when all are."""
    estimate.enough[g] = -1
    if estimate.reached[g] < len(estimate.shares):
        least = 1.0 - estimate.shares[estimate.reached[g]] + 1e-10
        estimate.enough[g] = int(least / estimate.survival[g])


@compiled
def longest(keys: Ints, groups: int, bits: int) -> Ints:
    """Return by group, and last for all, the longest duration among sorted keys, ended or not; NOT_REACHED for none.

    A quantile that is not reached lies beyond it.
    """
    found, group_mask = np.full(groups + 1, NOT_REACHED, np.int64), (1 << bits) - 1
    for key in keys:
        found[key & group_mask] = key >> bits >> 1
        found[groups] = key >> bits >> 1
    return found


EVENT, OTHER_END, CENSORED = range(3)
"""How a duration ended: with what is asked for, with what rules that out, or with the end of what is known."""


def incidence(keys: Ints, groups: int) -> Floats:
    """Return the share for which the event comes within the longest duration: by group, last for all; NaN for none.

    The estimate for competing risks: Aalen and Johansen 1978, Scand. J. Statist. 5:141-150. Without censored
    durations it is the plain share. S and n_i are as in ``quantiles``, with both endings counted as events.

        share = sum over event times t_i of S(t_i-) d_i / n_i

    A key is (duration_ms << 2 | ending) << group_bits(groups) | group. ``keys`` is put in order.
    """
    keys.sort()
    return cumulative_incidence(keys, groups, group_bits(groups))


@compiled
def cumulative_incidence(keys: Ints, groups: int, bits: int) -> Floats:
    """Return ``incidence`` of sorted keys. Between two censored durations each at risk stands for as many heads."""
    group_mask = (1 << bits) - 1
    heads, events, at_risk = np.ones(groups + 1), np.zeros(groups + 1), np.zeros(groups + 1, np.int64)
    for key in keys:
        at_risk[key & group_mask] += 1
    at_risk[groups] = len(keys)
    whole = at_risk.copy()
    for key in keys:
        for g in (key & group_mask, groups):
            at_risk[g] -= 1
            ending = key >> bits & 3
            if ending == EVENT:
                events[g] += heads[g]
            elif ending == CENSORED and at_risk[g] > 0:
                heads[g] *= (at_risk[g] + 1) / at_risk[g]
    return np.where(whole > 0, events / np.maximum(whole, 1), np.nan)
