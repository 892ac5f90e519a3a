"""How a generator that stood still catches up, by a clock that only the waiting moves."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace

import gevent
import numpy as np
import pytest

from loadtests.transport import driver as driving
from loadtests.transport.driver import Driver, SendLimits

RATE = 100
FAR_BEHIND_S, IN_TIME_S = -5.0, 0.0


def left_s(monkeypatch: pytest.MonkeyPatch, wait_s: float, n: int) -> np.ndarray:
    """Return when n requests left that are all due, this far behind."""
    clock = SimpleNamespace(now_s=100.0)

    def sleep(length_s: float) -> None:
        clock.now_s += length_s

    monkeypatch.setattr(driving, "time", SimpleNamespace(perf_counter=lambda: clock.now_s))
    monkeypatch.setattr(driving, "gevent", SimpleNamespace(sleep=sleep, Timeout=gevent.Timeout))
    driver = object.__new__(Driver)  # the pacing alone: nothing is sent
    driver._limits = SendLimits(1, 1, 1.0, rate_per_s=RATE)
    last: deque[float] = deque(maxlen=RATE)
    found = []
    for _ in range(n):
        driver._keep_rate(last, wait_s)
        found.append(clock.now_s)
    return np.array(found)


def test_who_catches_up_sends_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    left = left_s(monkeypatch, FAR_BEHIND_S, 3 * RATE)
    assert np.diff(left) == pytest.approx(1 / RATE)


def test_who_is_in_time_may_send_together_up_to_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    left = left_s(monkeypatch, IN_TIME_S, 3 * RATE)
    assert left - left[0] == pytest.approx(np.repeat([0.0, 1.0, 2.0], RATE))
