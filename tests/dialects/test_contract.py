"""Every dialect that is found by name, through the load test's own client: what each answer means, and only that."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests import dialects
from loadtests.core.faults import InputError
from loadtests.dialect.contract import ACKNOWLEDGED, OUTCOMES, UNKNOWN, Answer, Arrival, Known, speaks
from loadtests.transport.http1 import check_path
from sim.core.tables import ENDPOINTS
from tests.tools.dialect_contract import (
    ENVIRONS,
    PREFIX,
    SHAPES,
    Bench,
    Case,
    bench,
    cases,
    endpoints_of,
    kept,
    spoken,
    table,
)

NAMES = dialects.names()
ALL = [
    pytest.param(name, case, id=f"{name}-{case.column}-{i}") for name in SHAPES for i, case in enumerate(cases(name))
]


@pytest.fixture(scope="module")
def place() -> Iterator[Bench]:
    with bench() as made:
        yield made


def test_no_dialect_is_left_out() -> None:
    assert set(NAMES) == set(SHAPES) == set(ENVIRONS), (
        "a new dialect needs its answers in tests/tools/dialect_contract.py"
    )


@pytest.mark.parametrize(("name", "case"), ALL)
def test_each_answer_ends_as_it_must(name: str, case: Case, place: Bench) -> None:
    before = place.server.n_requests
    outcome = place.outcome(name, case)
    assert kept(case, outcome), f"got {outcome}, wanted {case.wanted}"
    assert place.server.n_requests == before + 1, "one request, sent once: no retry, no redirect followed"


@pytest.mark.parametrize("name", NAMES)
@given(
    status=st.integers(100, 599),
    body=st.one_of(st.binary(max_size=40), st.sampled_from([b"[]", b"{}", b'{"error":[]}', b'{"result":true}'])),
    retry=st.one_of(st.none(), st.text(max_size=5)),
)
@settings(max_examples=200)
def test_no_answer_whatever_it_is_passes_for_an_acknowledged_write(
    name: str, status: int, body: bytes, retry: str | None
) -> None:
    arrival = Arrival(3, endpoints_of(name)[0], "", 42, 100, 7)
    headers = {} if retry is None else {"retry-after": retry}
    outcome = spoken(name).outcome(arrival, Answer(status, headers, body))
    assert outcome.outcome in OUTCOMES[:4]
    assert outcome.outcome != ACKNOWLEDGED
    assert outcome.reason
    if 500 <= status < 600 and status != 503:
        assert outcome.outcome == UNKNOWN


@pytest.mark.parametrize("name", NAMES)
def test_a_dialect_speaks_its_endpoints_stays_on_its_host_and_repeats_itself(name: str) -> None:
    dialect = spoken(name)
    for endpoint in speaks(dialect):
        for known in (Known(PREFIX), Known(PREFIX, f"{PREFIX}1", [f"{PREFIX}1", f"{PREFIX}2"], ["71", "72"])):
            one, two = (dialect.request(Arrival(3, endpoint, "USDT", 42, 12_345, 7), known) for _ in range(2))
            check_path(one.path)
            assert one.key == two.key
            if endpoint in ("withdrawal", "ticket"):
                assert one.key == f"{PREFIX}3"
            elif endpoint != "login":  # a read names what it asks for
                assert not one.key or one.key in one.path + one.body.decode() or endpoint == "withdrawal_status"
            assert lasting(one.path, one.body) == lasting(two.path, two.body)
            assert all(value.isprintable() for value in one.headers.values())


def lasting(path: str, body: bytes) -> str:
    """Return what of a request does not hang on the moment: no time, no nonce, no signature."""
    return re.sub(r"(timestamp|nonce|signature)=\w+", "", f"{path} {body!r}")


@pytest.mark.parametrize("name", NAMES)
def test_an_endpoint_that_the_api_lacks_is_refused_by_the_dialect_too(name: str) -> None:
    dialect = spoken(name)
    for endpoint in set(ENDPOINTS) - set(speaks(dialect)):
        with pytest.raises(ValueError, match=r"endpoint|has no"):
            dialect.request(Arrival(3, endpoint, "", 42, 0, 7), Known(PREFIX))


@pytest.mark.parametrize("name", NAMES)
def test_only_an_answer_that_says_so_makes_a_test_system(name: str) -> None:
    dialect = spoken(name)
    assert dialect.health_path.startswith("/")
    for answer in (Answer(200, {}, b""), Answer(200, {}, b"{}"), Answer(200, {}, b'{"test_system": "true"}')):
        assert not dialect.is_test_system(answer)
    assert not dialect.is_test_system(Answer(503, {}, b'{"test_system": true}'))


@pytest.mark.parametrize("name", NAMES)
def test_every_missing_secret_is_named(name: str) -> None:
    needed = dialects.find(name).SECRETS
    with pytest.raises(InputError) as caught:
        dialects.load(name, {})
    assert [fault.split(": ")[1] for fault in caught.value.faults] == list(needed)


@pytest.mark.parametrize("name", NAMES)
def test_a_write_carries_the_runs_marker_and_its_secrets_stay_out_of_sight(name: str) -> None:
    endpoint = endpoints_of(name)[0]
    request = spoken(name).request(Arrival(3, endpoint, "kyc", 42, 12_345, 7), Known(PREFIX))
    wire = f"{request.path} {request.body.decode()}"
    if name != "kraken":  # its API has no field for a mark of the client's
        assert f"{PREFIX}3" in wire
    for variable, secret in ENVIRONS[name].items():
        if variable.endswith(("SECRET", "TOKEN")):
            assert secret not in wire


def test_the_table_shows_every_dialect_and_every_case_kept() -> None:
    rows = [line.split("|")[1:-1] for line in table().splitlines()]
    assert [cell.strip() for cell in rows[0][1:]] == list(SHAPES)
    for row in rows[2:]:
        for cell in (text.strip() for text in row[1:]):
            done, _, total = cell.partition(" of ")
            assert cell == "-" or done == total, f"{row[0].strip()}: {cell}"
