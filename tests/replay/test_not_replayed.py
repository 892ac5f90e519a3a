"""Endpoints that a run predicts and a load test leaves out: sent only when named, and counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.core.faults import InputError
from loadtests.core.schedule import Schedule, Trace, Window, cut, read_trace
from loadtests.dialect.contract import Arrival, Known, speaks
from loadtests.dialects import load
from loadtests.dialects.reference import SECRETS
from loadtests.plan import target
from tests.support.trace_factory import make_run, steady

MIX = {"withdrawal": 3.0, "login": 2.0, "signup": 5.0, "kyc": 4.0, "mfa": 1.0}
KEYS = dict.fromkeys(SECRETS, "not-a-secret") | {"WITHSTAND_ACCOUNT": ""}


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    return read_trace(make_run(tmp_path / "run", steady(MIX, 10)) / "arrivals.parquet")


def scheduled(trace: Trace) -> Schedule:
    return cut(trace, Window(10_000_000), 1.0)


def test_newcomers_requests_are_left_out_and_counted_unless_they_are_named(trace: Trace) -> None:
    dialect = load("reference", KEYS)
    default = scheduled(target.narrow(trace, ""))
    assert default.counts() == {"withdrawal": 30, "login": 20}
    assert target.identity(dialect, default)["not_replayed"] == {"signup": 50, "kyc": 40, "mfa": 10}
    assert target.faults(dialect, "reference", default) == []
    named = scheduled(target.narrow(trace, "signup,login"))
    assert named.counts() == {"login": 20, "signup": 50}
    assert target.identity(dialect, named)["not_replayed"] == {"withdrawal": 30, "kyc": 40, "mfa": 10}
    assert "whose API has no signup (50 of 70 requests)" in target.faults(dialect, "reference", named)[0]


def test_the_reference_dialect_refuses_what_its_server_has_not() -> None:
    dialect = load("reference", KEYS)
    for endpoint in target.ON_REQUEST:
        assert endpoint not in speaks(dialect)
        with pytest.raises(ValueError, match=f"{endpoint} is not an endpoint of this API"):
            dialect.request(Arrival(1, endpoint, "", 5, 0, 7), Known("ws-"))


def test_a_trace_of_newcomers_alone_must_be_asked_for(tmp_path: Path) -> None:
    trace = read_trace(make_run(tmp_path / "run", steady({"signup": 5.0}, 10)) / "arrivals.parquet")
    with pytest.raises(InputError, match="--endpoints"):
        target.narrow(trace, "")
    assert target.narrow(trace, "signup").arrivals.height == 50
