"""A run on the platform: an epidemic of fright among the depositors (Kermack and McKendrick 1927).

It is exact for any intensity, as copies are: the drawn times are those of Poisson processes of rate 1 on the scale of
the running intensities.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.core.jit import inlined
from sim.feedback.declaration import EXOGENOUS, INTS, PLACES, SUMS, parameter
from sim.feedback.mechanisms.copies import passed
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
    calm_ones = numbers.panic_depositors - panicked
    excess = max(lv.floats[row, RUMOUR] - numbers.rumour_threshold, 0.0)
    force = numbers.panic_spread * spreaders + numbers.panic_per_rumour * excess + lv.exogenous[CONTAGION, row - 1]
    force *= 1.0 + numbers.panic_distrust_weight * (1.0 - lv.floats[row, TRUST])
    lv.sums[FRIGHTENED] += force * calm_ones / numbers.panic_depositors
    first = lv.places[FRIGHT_AT]
    new = min(passed(lv.panic_times, lv.places, FRIGHT_AT, lv.sums[FRIGHTENED]), calm_ones)
    for i in range(first, first + new):
        _ask(lv, row, i)
    lv.sums[CALMED] += numbers.panic_calm * spreaders
    calmed = min(passed(lv.calm_times, lv.places, CALM_AT, lv.sums[CALMED]), spreaders)
    lv.ints[row, SPREADERS] = spreaders + new - calmed
    lv.ints[row, PANICKED] = panicked + new


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
