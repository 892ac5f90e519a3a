"""Gunther's universal scalability law, fitted to measured steps where they determine it.

    X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))

X throughput a second, N requests in flight (N = X R), lambda the throughput of one, sigma contention, kappa (in older
texts beta) crosstalk. With R = N / X this is a parabola,

    R = a + b N + c N^2,   a = (1 - sigma) / lambda,  b = (sigma - kappa) / lambda,  c = kappa / lambda,

so it is fitted by linear least squares, each R weighted by 1 / R^2 (its error is a share of it). Intervals are those of
the delta method, 95 %, Student's t with n - 3 degrees of freedom. A station that saturates without crosstalk has a kink
to which a parabola can be bent, so the law must also predict the busiest step from the others. Source: Gunther,
Guerrilla Capacity Planning (2007), ch. 4 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.capacity.step import LoadStep

LEAST_STEPS = 6
FORETOLD_WITHIN = 0.10
"""How well the law must predict the busiest step from the others: a fit that does not must not be extrapolated."""
Floats = NDArray[np.float64]


def fit(steps: Sequence[LoadStep]) -> tuple[dict[str, dict[str, float]] | None, str | None]:
    """Return lambda, sigma and kappa with their intervals, or None and why the law is not fitted."""
    points = sorted((s.in_flight, s.throughput_per_s) for s in steps if s.in_flight and _steady(s))
    if len(points) < LEAST_STEPS:
        return None, f"{len(points)} steps were steady; a fit needs {LEAST_STEPS} or more"
    n, x = (np.array(values, dtype=float) for values in zip(*points, strict=True))
    if n[-1] < 2 * n[0] or len(np.unique(n)) < 3:
        return None, "the steps lie too close together: the largest number in flight is not twice the smallest"
    foretold = float(throughput(fit_law(n[:-1], x[:-1])[0], n[-1:])[0])
    if not abs(foretold / x[-1] - 1) <= FORETOLD_WITHIN:
        told = f"fitted to the others it predicts {foretold:.4g}/s for the busiest, where {x[-1]:.4g}/s were measured"
        return None, f"the steps do not follow the law: {told}"
    parameters, limits = fit_law(n, x)
    if min(parameters[0], limits[0][0]) <= 0:
        return None, "lambda is not known to be above 0: the steps do not follow the law"
    if limits[2][0] <= 0:
        low, high = limits[2]
        told = f"the interval of kappa, {low:.3g} to {high:.3g}, "
        return None, told + ("includes 0: no retrograde throughput is proven" if high >= 0 else "lies below 0")
    if parameters[1] < 0 and limits[1][1] < 0:
        return None, f"sigma is {parameters[1]:.3g}, below 0: the steps do not follow the law"
    names = ("lambda", "sigma", "kappa")
    return {
        name: {"value": float(value), "low": float(low), "high": float(high)}
        for name, value, (low, high) in zip(names, parameters, limits, strict=True)
    }, None


def _steady(step: LoadStep) -> bool:
    """Return whether Little's law holds for a step: sent to its end, and no queue that only grew."""
    return not step.flaws and not step.ended_early and not {"backlog", "completions"} & set(step.broken)


def fit_law(n: Floats, x: Floats) -> tuple[Floats, list[tuple[float, float]]]:
    """Return lambda, sigma, kappa and the 95 % interval of each, from in-flight numbers and throughputs."""
    from scipy.stats import t

    residence = n / x
    fitted = residence
    for _ in range(3):  # the later ones weigh by the fitted curve, so that noise in R does not pull it down
        weight = 1 / np.where(fitted > 0, fitted, residence)
        design = np.column_stack([np.ones_like(n), n, n * n]) * weight[:, None]
        coefficients, *_ = np.linalg.lstsq(design, residence * weight, rcond=None)
        left = residence * weight - design @ coefficients
        fitted = design @ coefficients / weight
    covariance = float(left @ left) / (len(n) - 3) * np.linalg.inv(design.T @ design)
    a, b, c = coefficients
    scale = 1 / (a + b + c)
    parameters = np.array([scale, 1 - a * scale, c * scale])
    # Gradients of lambda, sigma and kappa by a, b and c; each sum a + b + c is 1 / lambda.
    ones = np.ones(3)
    jacobian = np.array(
        [
            -(scale**2) * ones,
            a * scale**2 * ones - np.array([scale, 0, 0]),
            -c * scale**2 * ones + np.array([0, 0, scale]),
        ]
    )
    half = t.ppf(0.975, len(n) - 3) * np.sqrt(np.diag(jacobian @ covariance @ jacobian.T))
    return parameters, [(float(p - h), float(p + h)) for p, h in zip(parameters, half, strict=True)]


def throughput(parameters: Any, n: Floats) -> Floats:
    """Return X(N) for lambda, sigma and kappa."""
    scale, sigma, kappa = parameters
    curve: Floats = scale * n / (1 + sigma * (n - 1) + kappa * n * (n - 1))
    return curve
