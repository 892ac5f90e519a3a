"""What every dialect must make of every answer: the cases, and each API's own words for them.

``python -m tests.tools.dialect_contract`` sends every case through the load test's own client and prints the table.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from loadtests import dialects
from loadtests.core.schedule import Window, cut, read_trace
from loadtests.dialect.contract import (
    ACKNOWLEDGED,
    RATE_LIMITED,
    REJECTED,
    UNKNOWN,
    Arrival,
    Known,
    Outcome,
    speaks,
)
from loadtests.transport.client import Client
from loadtests.transport.driver import Driver, SendLimits
from loadtests.transport.recorder import Journal, Recorder
from tests.support.servers.staging_client import ENVIRON
from tests.support.servers.tiny_server import Reply, TinyServer
from tests.support.trace_factory import arrivals_at, make_run

TIMEOUT_S = 0.25
PREFIX = "ws-0a1b2c3d4e-"

ENVIRONS: dict[str, dict[str, str]] = {
    "reference": ENVIRON,
    "gate": {"WITHSTAND_GATE_KEY": "gate-test-key", "WITHSTAND_GATE_SECRET": "gate-test-secret"},
    "mexc": {"WITHSTAND_MEXC_KEY": "mexc-test-key", "WITHSTAND_MEXC_SECRET": "mexc-test-secret"},
    "binance": {"WITHSTAND_BINANCE_KEY": "binance-test-key", "WITHSTAND_BINANCE_SECRET": "binance-test-secret"},
    "kraken": {
        "WITHSTAND_KRAKEN_KEY": "kraken-test-key",
        "WITHSTAND_KRAKEN_SECRET": base64.b64encode(b"kraken test secret of some length").decode(),
    },
    "zendesk": {"WITHSTAND_ZENDESK_EMAIL": "agent@example.invalid", "WITHSTAND_ZENDESK_TOKEN": "zendesk-test-token"},
    "django_helpdesk": {"WITHSTAND_HELPDESK_TOKEN": "helpdesk-test-token"},
}


class Said(NamedTuple):
    """An answer of an API, and what it means."""

    status: int
    body: Any
    outcome: str
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Shape:
    """How one API answers: when it takes a write, when it answers a read, and its own ways to refuse.

    ``created`` holds the id at ``id_path``. ``seen`` answers a read, with a status word that nobody knows in it.
    """

    created: Said
    server_id: str
    id_path: tuple[str, ...]
    seen: Any
    refusals: tuple[Said, ...]
    inside: tuple[Said, ...]
    sure_503: bool = False
    more: tuple[Said, ...] = field(default=())


def _error(status: int, body: Any, reason: str, outcome: str = REJECTED) -> Said:
    return Said(status, body, outcome, reason)


_TICKET = {"ticket": {"id": 35436, "external_id": f"{PREFIX}3", "status": "new", "subject": "kyc: case 7"}}
_GATE_ROW = {"id": "w1", "status": "TELEPORTED", "withdraw_order_id": "x", "currency": "USDT", "amount": "1"}

SHAPES = {
    "reference": Shape(
        created=Said(202, {"id": "w1", "status": "REQUEST"}, ACKNOWLEDGED),
        server_id="w1",
        id_path=("id",),
        seen=[_GATE_ROW],
        refusals=(
            _error(400, {"label": "BALANCE_NOT_ENOUGH", "message": "no"}, "400 BALANCE_NOT_ENOUGH"),
            _error(401, {"label": "INVALID_SIGNATURE", "message": "no"}, "401 INVALID_SIGNATURE"),
        ),
        inside=(_error(200, {"label": "BALANCE_NOT_ENOUGH"}, "200 with an answer that cannot be read", UNKNOWN),),
        sure_503=True,
    ),
    "gate": Shape(
        created=Said(202, {"id": "w64413318", "currency": "USDT", "status": "REQUEST"}, ACKNOWLEDGED),
        server_id="w64413318",
        id_path=("id",),
        seen=[_GATE_ROW],
        refusals=(
            _error(400, {"label": "BALANCE_NOT_ENOUGH", "message": "Not enough balance"}, "400 BALANCE_NOT_ENOUGH"),
            _error(401, {"label": "INVALID_SIGNATURE", "message": "Signature mismatch"}, "401 INVALID_SIGNATURE"),
            _error(403, {"label": "FORBIDDEN", "message": "IP not allowed"}, "403 FORBIDDEN"),
        ),
        # An error inside 200 is not documented: whether the withdrawal was taken is then open.
        inside=(_error(200, {"label": "INVALID_PARAM_VALUE"}, "200 with an answer that cannot be read", UNKNOWN),),
        more=(_error(503, {"label": "TOO_BUSY", "message": "busy"}, "503 TOO_BUSY", UNKNOWN),),
    ),
    "binance": Shape(
        created=Said(200, {"id": "7213fea8e94b4a5593d507237e5a555b"}, ACKNOWLEDGED),
        server_id="7213fea8e94b4a5593d507237e5a555b",
        id_path=("id",),
        seen=[{"id": "b6ae", "amount": "8.91", "coin": "USDT", "status": 77, "withdrawOrderId": "x"}],
        refusals=(
            _error(400, {"code": -4026, "msg": "User has insufficient balance."}, "400 -4026"),
            _error(400, {"code": -1022, "msg": "Signature for this request is not valid."}, "400 -1022"),
            _error(401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, "401 -2015"),
        ),
        inside=(
            _error(200, {"code": -4026, "msg": "User has insufficient balance."}, "200 -4026"),
            _error(200, {"code": -1007, "msg": "Timeout waiting for response."}, "200 -1007", UNKNOWN),
            _error(200, {"code": -1003, "msg": "Too many requests."}, "200 -1003, Retry-After missing", RATE_LIMITED),
        ),
        more=(
            Said(418, {"code": -1003}, RATE_LIMITED, "418, Retry-After 120", (("Retry-After", "120"),)),
            _error(400, {"code": -1006, "msg": "Execution status unknown."}, "400 -1006", UNKNOWN),
            _error(503, {"code": -1008, "msg": "overloaded"}, "503 -1008", UNKNOWN),
        ),
    ),
    "mexc": Shape(
        created=Said(200, {"id": "25fb2831fb6d4fc7aa4094612a26c81d"}, ACKNOWLEDGED),
        server_id="25fb2831fb6d4fc7aa4094612a26c81d",
        id_path=("id",),
        seen=[{"id": "adcd", "amount": "2", "coin": "USDC-MATIC", "status": "77", "remark": "x"}],
        refusals=(
            _error(400, {"code": 10101, "msg": "Insufficient balance"}, "400 10101"),
            _error(400, {"code": 700002, "msg": "Signature for this request is not valid."}, "400 700002"),
            _error(401, {"code": 10072, "msg": "Api key info invalid"}, "401 10072"),
        ),
        inside=(
            _error(200, {"code": 10101, "msg": "Insufficient balance"}, "200 10101"),
            _error(200, {"code": "10212", "msg": "Address not in the list"}, "200 10212"),
            _error(200, {"code": 510, "msg": "Excessive frequency"}, "200 510, Retry-After missing", RATE_LIMITED),
            _error(200, {"code": 500, "msg": "internal error"}, "200 500", UNKNOWN),
        ),
    ),
    "kraken": Shape(
        created=Said(200, {"error": [], "result": {"refid": "AGBSO6T-UFMTTQ-I7KGS6"}}, ACKNOWLEDGED),
        server_id="AGBSO6T-UFMTTQ-I7KGS6",
        id_path=("result", "refid"),
        seen={"error": [], "result": [{"refid": "A2BF34S-O7LBNQ-UE4Y4O", "status": "Teleported", "asset": "XETH"}]},
        refusals=(
            _error(200, {"error": ["EFunding:Invalid amount"]}, "200 EFunding:Invalid amount"),
            _error(200, {"error": ["EFunding:Unknown withdraw key"]}, "200 EFunding:Unknown withdraw key"),
            _error(200, {"error": ["EAPI:Invalid nonce"]}, "200 EAPI:Invalid nonce"),
            _error(403, {"error": ["EGeneral:Permission denied"]}, "403 EGeneral:Permission denied"),
        ),
        inside=(
            _error(200, {"error": ["EAPI:Invalid signature"]}, "200 EAPI:Invalid signature"),
            _error(200, {"error": ["EService:Unavailable"]}, "200 EService:Unavailable", UNKNOWN),
            _error(200, {"error": ["EGeneral:Internal error"]}, "200 EGeneral:Internal error", UNKNOWN),
            _error(
                200,
                {"error": ["EAPI:Rate limit exceeded"]},
                "200 EAPI:Rate limit exceeded, Retry-After missing",
                RATE_LIMITED,
            ),
            _error(200, {"error": ["EBrandNew:Word"]}, "200 EBrandNew:Word"),
        ),
        more=(Said(200, {"error": ["WGeneral:Beware"], "result": {"refid": "AGBSO6T-UFMTTQ-I7KGS6"}}, ACKNOWLEDGED),),
    ),
    "zendesk": Shape(
        created=Said(201, _TICKET, ACKNOWLEDGED),
        server_id="35436",
        id_path=("ticket", "id"),
        seen={"ticket": {**_TICKET["ticket"], "status": "teleported"}},
        refusals=(
            _error(401, {"error": "Couldn't authenticate you"}, "401 Couldn't authenticate you"),
            _error(422, {"error": "RecordInvalid", "description": "no", "details": {}}, "422 RecordInvalid"),
            _error(403, {"error": {"title": "Forbidden", "message": "no"}}, "403 Forbidden"),
            _error(400, {"error": "IdempotentRequestError"}, "400 IdempotentRequestError"),
        ),
        inside=(_error(200, {"error": "RecordInvalid"}, "200 with an answer that cannot be read", UNKNOWN),),
    ),
    "django_helpdesk": Shape(
        created=Said(201, {"id": 17, "queue": 1, "title": f"[{PREFIX}3] kyc: case 7", "status": 1}, ACKNOWLEDGED),
        server_id="17",
        id_path=("id",),
        seen={"id": 17, "title": f"[{PREFIX}3] kyc: case 7", "status": 77},
        refusals=(
            _error(401, {"detail": "Invalid token."}, "401 Invalid token."),
            _error(403, {"detail": "You do not have permission."}, "403 You do not have permission."),
            _error(400, {"title": ["This field may not be blank."], "queue": ["Invalid pk"]}, "400 queue, title"),
            _error(404, {"detail": "No Ticket matches the given query."}, "404 No Ticket matches the given query."),
        ),
        inside=(_error(200, {"detail": "Not found."}, "200 with an answer that cannot be read", UNKNOWN),),
    ),
}


class Case(NamedTuple):
    """One situation: its column in the table, the endpoint's kind, the server's reply, and what must come of it."""

    column: str
    write: bool
    reply: Reply
    wanted: Outcome


def spoken(name: str) -> Any:
    """Return a dialect with keys for tests."""
    return dialects.load(name, ENVIRONS[name])


def endpoints_of(name: str) -> tuple[str, str]:
    """Return the dialect's endpoint that writes and the one that reads."""
    money = "withdrawal" in speaks(spoken(name))
    return ("withdrawal", "withdrawal_status") if money else ("ticket", "ticket_view")


def cases(name: str) -> list[Case]:
    """Return every case, in the words of one API."""
    shape = SHAPES[name]
    whole = json.dumps(shape.created.body).encode()
    status = shape.created.status
    done = Outcome(ACKNOWLEDGED, "", shape.server_id)
    found = [
        Case("acknowledged", True, Reply(status, shape.created.body), done),
        Case("acknowledged", False, Reply(200, shape.seen), Outcome(ACKNOWLEDGED)),
        Case("unknown status word", False, Reply(200, shape.seen), Outcome(ACKNOWLEDGED)),
        *(_said("refused", one) for one in shape.refusals),
        *(_said("error inside 200", one) for one in shape.inside),
        *(_said("own words", one, shape.server_id) for one in shape.more),
    ]
    for wait in ("7", ""):
        told = Outcome(RATE_LIMITED, f"429, Retry-After {wait or 'missing'}")
        headers = {"Retry-After": wait} if wait else {}
        column = "429 with Retry-After" if wait else "429 without"
        found += [Case(column, write, Reply(429, {}, headers), told) for write in (True, False)]
    for number in (301, 302, 303, 307, 308):
        reply = Reply(number, {}, {"Location": "/moved"})
        found.append(Case("redirect", True, reply, Outcome(REJECTED, f"{number}: redirect not followed")))
    for number in (500, 502, 503, 504, 520):
        sure = shape.sure_503 and number == 503
        found.append(Case("5xx", True, Reply(number, {}), Outcome(REJECTED if sure else UNKNOWN, str(number))))
    for number in (400, 404, 405, 413):
        found.append(Case("4xx", True, Reply(number, raw=b"<h1>no</h1>"), Outcome(REJECTED, str(number))))
    unread = Outcome(UNKNOWN, f"{status} with an answer that cannot be read")
    junk = (b"", b"<html>", b"null", b"7", b'"text"', b"{", b"\xff\xfe", b"NaN", b"{}", b"[" * 5000, b'{"id":}')
    found += [Case("malformed body", True, Reply(status, raw=raw), unread) for raw in junk]
    for odd in (None, "", False, True, 0, [], {}, 1.5):
        body = _with(shape.created.body, shape.id_path, odd)
        found.append(Case("id that is none", True, Reply(status, body), unread))
    for flag in ({"success": False}, {"success": "false"}, {"ok": False}, {"errors": ["no"]}, {"label": "TOO_BUSY"}):
        said = {**shape.created.body, "msg": "try again later", **flag}
        (name_, value) = next(iter(flag.items()))
        told = f"{name_} false" if "alse" in str(value) else f"{name_} {flag.get('label', '')}".strip()
        reason = f"{status} {told}, and an id"
        found.append(Case("contradicts itself", True, Reply(status, said), Outcome(UNKNOWN, reason)))
    found += [Case("truncated JSON", True, Reply(status, raw=whole[:n]), unread) for n in (1, len(whole) // 2, -1)]
    cut_read = Outcome(UNKNOWN, "200 with an answer that cannot be read")
    found.append(Case("truncated JSON", False, Reply(200, raw=json.dumps(shape.seen).encode()[:-1]), cut_read))
    broken = Outcome(UNKNOWN, "connection closed before the answer was complete")
    found += [
        Case("truncated answer", True, Reply(status, raw=whole[:n], missing_bytes=len(whole) - n), broken)
        for n in (0, len(whole) // 2, len(whole) - 1)
    ]
    late = Outcome(UNKNOWN, f"time-out after {TIMEOUT_S:g} s")
    found.append(Case("time-out", True, Reply(status, shape.created.body, delay_s=10 * TIMEOUT_S), late))
    found.append(Case("connection reset", True, Reply(reset=True), Outcome(UNKNOWN, "connection broke")))
    return found


def _said(column: str, one: Said, server_id: str = "") -> Case:
    wanted = Outcome(one.outcome, one.reason, server_id if one.outcome == ACKNOWLEDGED else "")
    return Case(column, True, Reply(one.status, one.body, dict(one.headers)), wanted)


def _with(body: Any, path: tuple[str, ...], value: object) -> Any:
    """Return a body with another value at a path."""
    return {**body, path[0]: _with(body[path[0]], path[1:], value)} if path else value


class Bench:
    """A server that answers as it is told, and the load test's own way to send one request to it."""

    def __init__(self, server: TinyServer, folder: Path) -> None:
        self.server = server
        self.reply = Reply()
        run = make_run(folder / "run", arrivals_at(np.array([0]), ["login"]))
        self._schedule = cut(read_trace(run / "arrivals.parquet"), Window(1_000_000))
        self._journal = Journal(folder / "journal")
        self._client = Client(scheme="http", host="127.0.0.1", port=server.port, address="127.0.0.1", concurrency=4)

    def outcome(self, name: str, case: Case) -> Outcome:
        """Return how the driver says that one request ended."""
        self.reply = case.reply
        dialect, endpoint = spoken(name), endpoints_of(name)[0 if case.write else 1]
        arrival = Arrival(3, endpoint, "USDT" if endpoint == "withdrawal" else "kyc", 42, 12_345, 7)
        request = dialect.request(arrival, Known(PREFIX))
        return self._driver(dialect)._exchange(request, self._client.encoded(request), arrival)[1]

    def _driver(self, dialect: Any) -> Driver:
        return Driver(
            schedule=self._schedule,
            dialect=dialect,
            client=self._client,
            recorder=Recorder(self._schedule),
            journal=self._journal,
            limits=SendLimits(4, 4, TIMEOUT_S),
            prefix=PREFIX,
        )

    def close(self) -> None:
        self._client.close()
        self._journal.close()


@contextmanager
def bench() -> Iterator[Bench]:
    """Yield a bench with a server of its own."""
    holder: list[Bench] = []

    def answer(path: str, number: int) -> Reply:
        return holder[0].reply

    with TemporaryDirectory() as folder, TinyServer(answer) as server:
        holder.append(Bench(server, Path(folder)))
        yield holder[0]
        holder[0].close()


def kept(case: Case, outcome: Outcome) -> bool:
    """Return whether a case ended as it must; a reset shows in one way or the other.

    What an acknowledged read shows stands in place of an id, and is tested in tests/dialects/test_shows.py.
    """
    if not case.write:
        return outcome[:2] == case.wanted[:2]
    if case.column == "connection reset":
        return outcome.outcome == UNKNOWN and outcome.reason.startswith(("connection broke", "connection closed"))
    return outcome == case.wanted


def table() -> str:
    """Return the table of dialects and columns: cases kept of cases."""
    names = list(SHAPES)
    columns = list(dict.fromkeys(case.column for name in names for case in cases(name)))
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    with bench() as place:
        ended = {name: [(case, place.outcome(name, case)) for case in cases(name)] for name in names}
    for column in columns:
        cells = []
        for name in names:
            found = [kept(case, outcome) for case, outcome in ended[name] if case.column == column]
            cells.append(f"{sum(found)} of {len(found)}" if found else "-")
        lines.append(f"| {column} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
