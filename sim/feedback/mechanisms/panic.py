"""A run on the platform: an epidemic of fright among the depositors (Kermack and McKendrick 1927).

Within a minute one fright or calming follows another, each at its own moment and under the intensities that the one
before has left, so the epidemic is exact, whatever the minute. The drawn times are those of Poisson processes of rate
1 on the scale of the running intensities (Anderson 2007). Rumour, trust and what comes from outside are levels of the
minute, and who is frightened in it asks for money at its tick.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.core.jit import inlined
from sim.feedback.declaration import EXOGENOUS, INTS, PLACES, SUMS, parameter
from sim.feedback.mechanisms.rumour import RUMOUR
from sim.feedback.mechanisms.trust import TRUST
from sim.feedback.mechanisms.withdrawals import MOVING, REQUESTED_ROWS

SPREADERS = INTS.column("n_spreaders", "depositors", "panicked depositors who frighten others")
PANICKED = INTS.column("cum_panicked", "depositors", "depositors who have panicked, each of whom asks for money once")
CONTAGION = EXOGENOUS.column("contagion", "depositors/min", "depositors frightened by other platforms, were all calm")
FRIGHT_AT = PLACES.column("frights", "drawn times", "times of frights that have come")
CALM_AT = PLACES.column("calms", "drawn times", "times of calming that have come")
FRIGHTENED = SUMS.column("frightened", "depositors", "running intensity of fright")
CALMED = SUMS.column("calmed", "depositors", "running intensity of calming")


@dataclass(frozen=True, kw_only=True)
class PanicParameters:
    """How fright spreads among depositors, and how fast it fades; nothing without ``depositors``."""

    depositors: int = parameter(0, "depositors", "depositors who could run")
    spread: float = parameter(0.0, "depositors/min", "others that a spreader frightens while all are calm")
    calm: float = parameter(0.0, "share/min", "share of the spreaders who calm down in a minute")
    per_rumour: float = parameter(
        0.0, "depositors/min/complaint", "frightened by each complaint's worth above the threshold"
    )
    distrust_weight: float = parameter(0.0, "1", "full distrust multiplies fright by 1 more than this")


@inlined
def run_on_the_bank(lv, row):  # type: ignore[no-untyped-def]
    """Frighten depositors, by those who are frightened, by rumour and from outside; each asks for money at once."""
    numbers = lv.numbers[0]
    if numbers.panic_depositors == 0:
        return
    spreaders, panicked = lv.ints[row - 1, SPREADERS], lv.ints[row - 1, PANICKED]
    excess = max(lv.floats[row, RUMOUR] - numbers.rumour_threshold, 0.0)
    others = numbers.panic_per_rumour * excess + lv.exogenous[CONTAGION, row - 1]
    distrust = 1.0 + numbers.panic_distrust_weight * (1.0 - lv.floats[row, TRUST])
    left = 1.0  # of the minute
    while True:
        force = (numbers.panic_spread * spreaders + others) * distrust
        fright = force * (numbers.panic_depositors - panicked) / numbers.panic_depositors
        calm = numbers.panic_calm * spreaders
        to_fright = _wait(lv.panic_times, lv.places[FRIGHT_AT], lv.sums[FRIGHTENED], fright)
        to_calm = _wait(lv.calm_times, lv.places[CALM_AT], lv.sums[CALMED], calm)
        passed = min(to_fright, to_calm, left)
        lv.sums[FRIGHTENED] += fright * passed
        lv.sums[CALMED] += calm * passed
        if min(to_fright, to_calm) > left:
            break
        left -= passed
        if to_fright <= to_calm:
            _ask(lv, row, lv.places[FRIGHT_AT])
            lv.sums[FRIGHTENED] = lv.panic_times[lv.places[FRIGHT_AT]]
            lv.places[FRIGHT_AT] += 1
            spreaders, panicked = spreaders + 1, panicked + 1
        else:
            lv.sums[CALMED] = lv.calm_times[lv.places[CALM_AT]]
            lv.places[CALM_AT] += 1
            spreaders -= 1
    lv.ints[row, SPREADERS], lv.ints[row, PANICKED] = spreaders, panicked


@inlined
def _wait(times, at, intensity, rate):  # type: ignore[no-untyped-def]
    """Return the minutes until a running intensity that grows at a rate reaches the next drawn time."""
    if rate <= 0.0 or at >= len(times):
        return math.inf
    return max(times[at] - intensity, 0.0) / rate


@inlined
def _ask(lv, row, i):  # type: ignore[no-untyped-def]
    """Let a frightened depositor ask for the money, counted or as a row."""
    if lv.panic_row[i] >= 0:
        lv.moving[lv.places[MOVING]] = lv.panic_row[i]
        lv.places[MOVING] += 1
        lv.ints[row, REQUESTED_ROWS] += 1
    else:
        lv.counted[lv.panic_rail[i], lv.panic_class[i], 0] += 1
        lv.counted[lv.panic_rail[i], lv.panic_class[i], 1] += lv.panic_cents[i]
