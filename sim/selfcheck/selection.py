"""The selection of the best plan: how often it finds the best of systems whose means are known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import numpy as np
from scipy.special import ndtri

from sim.core.arrays import Floats
from sim.numerics.selection import Selection, select
from sim.numerics.streams import Streams
from sim.selfcheck.check import Check, Compared

_CONFIDENCE, _FIRST, _SHARED = 0.95, 10, 0.6
"""``_SHARED`` is the part of a sample's variance that all systems have in common, as plans with the same customers."""


def checks() -> Iterator[Check]:
    """Yield the checks of the selection."""
    yield _two()
    yield _several()


def _draws(streams: Streams, name: str, systems: int, samples: int) -> Floats:
    """Return correlated standard normal samples by system and number; more of them begin with the same."""
    at = np.arange(samples * systems).reshape(samples, systems).T
    own, shared = ndtri(streams.uniforms(name, "own", at)), ndtri(streams.uniforms(name, "shared", at[0]))
    return np.asarray(np.sqrt(_SHARED) * shared + np.sqrt(1 - _SHARED) * own)


def _selected(streams: Streams, name: str, means: tuple[float, ...], indifference: float) -> Selection:
    """Return what is selected of systems with these means, first with a few draws, which mostly suffice."""
    for drawn in (500, 10_000):
        rows = (_draws(streams, name, len(means), drawn) + np.array(means)[:, None]).tolist()
        with suppress(IndexError):
            return select(
                partial(_nth, rows), len(means), indifference=indifference, confidence=_CONFIDENCE, first=_FIRST
            )
    raise ArithmeticError("a selection used up its draws: draw more of them")


def _nth(rows: list[list[float]], system: int, number: int) -> float:
    return rows[system][number]


def _two() -> Check:
    """Of two, by small steps: between two samples the difference moves by a twelfth of its deviation, so that the sums
    are nearly a Brownian motion, for which the probability is not a bound but exact (Fabian 1974). Where a sum ends
    beyond the border makes errors rarer by 0.2 %."""
    apart = np.sqrt(2 * (1 - _SHARED)) / 12

    def share(made: list[Selection]) -> float:
        return sum(one.best == 1 for one in made) / len(made)

    def replicate(seed: int, number: int) -> list[Selection]:
        streams = Streams(seed, number)
        return [_selected(streams, f"pair {i}", (0.0, apart), apart) for i in range(120)]

    return Check(
        name="selection-of-two",
        quantities=(Compared("share that selects the best", _CONFIDENCE, share),),
        source="Fabian 1974; Kim and Nelson 2001",
        replicate=replicate,
    )


def _several() -> Check:
    """Of five, the other four a whole step behind: the stated probability is the least that may come out."""
    means, apart = (0.0, 0.0, 0.5, 0.0, 0.0), 0.5

    def share(made: list[Selection]) -> float:
        return sum(one.best == 2 for one in made) / len(made)

    def replicate(seed: int, number: int) -> list[Selection]:
        streams = Streams(seed, number)
        return [_selected(streams, f"five {i}", means, apart) for i in range(40)]

    return Check(
        name="selection-of-five",
        quantities=(Compared("share that selects the best", _CONFIDENCE, share, least=True),),
        source="Kim and Nelson 2001",
        replicate=replicate,
    )
