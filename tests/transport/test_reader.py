"""Questions around a run: who hangs, or defers for ever, is not asked again; who is in a hurry waits for nothing."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event

from loadtests.dialect.contract import Answer, Request
from loadtests.transport.client import NoAnswerError
from loadtests.transport.reader import ENDED, LONGEST_PAUSES_S, Reader

GET = Request("GET", "/x", {})


class Target:
    """A client of a target that hangs where an answer is None; each hang lasts as long as its asker waits."""

    def __init__(self, *answers: Answer | None) -> None:
        self.answers, self.timeouts_s = list(answers), list[float]()

    def send(self, request: Request, timeout_s: float) -> Answer:
        self.timeouts_s.append(timeout_s)
        answer = self.answers.pop(0)
        if answer is None:
            gevent.sleep(timeout_s)
            raise NoAnswerError("time-out")
        return answer


OK, LATER = Answer(200, {}, b"{}"), Answer(429, {}, b"")


def reader(*answers: Answer | None, patience_s: float = 0.05, hurry: Event | None = None) -> tuple[Reader, Target]:
    target = Target(*answers)
    return Reader(target, hurry=hurry, patience_s=patience_s), target  # type: ignore[arg-type]


def test_a_target_that_hung_for_as_long_as_one_is_patient_is_not_asked_again() -> None:
    asks, target = reader(OK, None, OK)
    assert asks.send(GET) == OK
    for told in ("time-out", "not asked again: it had given no answer", "not asked again"):
        with pytest.raises(NoAnswerError, match=told):
            asks.send(GET)
    assert (len(target.timeouts_s), target.answers) == (2, [OK])


def test_a_useful_answer_makes_patient_again() -> None:
    asks, target = reader(None, OK, patience_s=10.0)
    asks._waited_s = 9.99
    with pytest.raises(NoAnswerError, match="time-out"):
        asks.send(GET)
    assert target.timeouts_s[0] <= 0.011
    asks._waited_s = 9.0
    assert asks.send(GET) == OK
    assert asks._waited_s == 0.0


def test_a_target_that_defers_for_ever_is_not_asked_again() -> None:
    asks, target = reader(LATER, LATER, OK)
    assert asks.send(GET) == LATER
    asks._paused_s = LONGEST_PAUSES_S
    assert asks.send(GET) == LATER
    asks.pause(0.001)
    with pytest.raises(NoAnswerError, match="it had deferred for 300 s"):
        asks.send(GET)
    assert target.answers == [OK]


def test_in_a_hurry_nothing_is_waited_for() -> None:
    hurry = Event()
    asks, target = reader(None, OK, patience_s=600.0, hurry=hurry)
    gevent.spawn(hurry.set)
    with gevent.Timeout(10), pytest.raises(NoAnswerError, match=ENDED):
        asks.send(GET)
    with gevent.Timeout(10):
        asks.pause(600.0)
    with pytest.raises(NoAnswerError, match=ENDED):
        asks.send(GET)
    assert target.answers == [OK]
