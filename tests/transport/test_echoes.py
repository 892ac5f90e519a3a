"""No trace of a secret is kept, whichever dialect sent it and however a server echoes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtests import dialects
from loadtests.core.redact import MARK
from loadtests.dialect.contract import Answer, Outcome, Request
from loadtests.transport.echoes import LONGEST_ID, LONGEST_REASON, bounded, without_proofs
from tests.tools.proxies.echo_books import WAYS, left_by
from tests.tools.proxies.echo_leaks import ENCODINGS, ENVIRONS_HERE, kept_of, traces


def test_every_dialect_is_planted() -> None:
    assert set(ENVIRONS_HERE) == set(dialects.names())


@pytest.mark.servers
@pytest.mark.parametrize("name", sorted(ENVIRONS_HERE))
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_trace_of_a_secret_is_kept(tmp_path: Path, name: str, encoding: str) -> None:
    kept, secrets = kept_of(name, ENCODINGS[encoding], tmp_path)
    assert MARK in kept, "nothing was echoed, so nothing was shown"
    assert {one: n for one in secrets if (n := traces(kept, one))} == {}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_trace_is_seen_where_one_is(encoding: str) -> None:
    secret = "tt-0123456789abcdef"
    assert traces(f"400 {ENCODINGS[encoding](secret)}", secret) > 0
    assert traces(f"400 {ENCODINGS[encoding]('tt-else')}", secret) == 0


def test_texts_are_short_and_an_id_is_whole_or_none() -> None:
    asked = Request("GET", "/x", {})
    assert bounded(Outcome("rejected", "r" * 999), asked) == Outcome("rejected", "r" * LONGEST_REASON)
    assert bounded(Outcome("acknowledged", "", "i" * LONGEST_ID), asked).server_id == "i" * LONGEST_ID
    told = bounded(Outcome("acknowledged", "", "i" * (LONGEST_ID + 1)), asked)
    assert told == Outcome("unknown", f"the answer's id has {LONGEST_ID + 1} characters, more than {LONGEST_ID}")


def test_what_is_no_proof_of_the_request_stays() -> None:
    asked = Request("POST", "/x", {"Idempotency-Key": "ws-0a1b2c3d4e-17", "Accept": "application/json"}, b"{}")
    outcome = Outcome("acknowledged", "", "for ws-0a1b2c3d4e-17 as application/json")
    assert bounded(outcome, asked) == outcome


@pytest.mark.servers
@pytest.mark.parametrize("name", WAYS)
def test_no_trace_of_a_secret_is_in_what_a_command_leaves(tmp_path: Path, name: str) -> None:
    left = left_by(WAYS[name], tmp_path)
    assert {"reconcile.json", "start.json", "journal.jsonl", "junit.xml"} <= left.files
    assert left.n_out > 5, "little was echoed, so little was shown"
    assert left.traces == set()


def test_a_history_loses_the_texts_that_echo_a_proof_and_no_others() -> None:
    sign, account = "5f2c" * 16, "sub-account-000017"
    asked = Request("GET", "/history", {"X-Sign": sign, "X-Account": account})
    rows = [{"id": "w1", "account": account, "amount": 1.10}, {"id": f"w2 {sign[:12]}", "memo": "\\u0035f2c" * 16}]
    body = json.dumps(rows).replace("\\\\u", "\\u")
    told = without_proofs(Answer(200, {"x-echo": sign}, body.encode()), asked)
    assert json.loads(told.body) == [rows[0], {"id": MARK, "memo": MARK}]
    assert b"1.1" in told.body
    assert told.headers == {"x-echo": MARK}
    whole = Answer(200, {}, json.dumps(rows[:1]).encode())
    assert without_proofs(whole, asked) == whole
    assert without_proofs(Answer(500, {}, f"<p>{sign}</p>".encode()), asked).body == MARK.encode()
