"""What ccxt's Gate client and Zenpy say to a reference server of their own, and what they make of its answers.

``python -m tests.tools.transcripts`` prints each request and answer, and what the client returned.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import pytest
from zenpy.lib.api_objects import Ticket

from loadtests.staging.settings import Settings
from tests.support.servers.addresses import sample_address
from tests.support.servers.staging_client import Client, staging_thread, wait_until
from tests.support.servers.strangers import gate_client, zendesk_client

WIDTH = 100


def transcript() -> Iterator[str]:
    """Yield the lines of both sessions."""
    settings = Settings(payment_s=0.0, review_share=0.0)
    with (
        TemporaryDirectory() as folder,
        staging_thread(settings, Path(folder) / "staging.sqlite") as client,
        pytest.MonkeyPatch.context() as patch,
    ):
        yield from _gate(client)
        yield from _zendesk(client, patch)


def _gate(client: Client) -> Iterator[str]:
    heard = list[str]()
    gate = gate_client(str(client.http.base_url))
    gate.session.hooks["response"].append(lambda answer, *_, **__: heard.append(_said(answer)))
    yield "ccxt.gate"
    yield from _step("load_markets()", heard, sorted(gate.load_markets()))
    yield from _step("fetch_balance()", heard, gate.fetch_balance()["free"])
    params = {"network": "TRC20", "withdraw_order_id": "ccxt-1"}
    made = gate.withdraw("USDT", 10, sample_address("TRX", 1), params=params)
    yield from _step("withdraw('USDT', 10, ...)", heard, {name: made[name] for name in ("id", "status", "fee")})
    wait_until(lambda: client.status("ccxt-1") == "DONE", "DONE")
    listed = [{name: row[name] for name in ("id", "status", "amount")} for row in gate.fetch_withdrawals("USDT")]
    yield from _step("fetch_withdrawals('USDT')", heard, listed)
    yield from _step("fetch_balance()", heard, gate.fetch_balance()["free"])


def _zendesk(client: Client, patch: pytest.MonkeyPatch) -> Iterator[str]:
    heard = list[str]()
    desk = zendesk_client(str(client.http.base_url), patch)
    desk.tickets.session.hooks["response"].append(lambda answer, *_, **__: heard.append(_said(answer)))
    yield "zenpy.Zenpy"
    made = desk.tickets.create(Ticket(subject="Where is it", description="gone", external_id="z-1"))
    yield from _step("tickets.create(Ticket(...))", heard, {"ticket": made.ticket.id, "audit": made.audit.id})
    ticket = desk.tickets(id=made.ticket.id)
    yield from _step(f"tickets(id={ticket.id})", heard, {"subject": ticket.subject, "status": ticket.status})
    yield from _step("list(tickets())", heard, [one.external_id for one in desk.tickets()])
    for status in ("solved", "closed"):
        ticket.status = status
        after = desk.tickets.update(ticket).ticket.status
        yield from _step(f"tickets.update(ticket)  # {status}", heard, {"status": after})


def _step(call: str, heard: list[str], returned: object) -> Iterator[str]:
    yield f"  {call}"
    yield from (f"    {line}" for line in heard)
    yield f"    = {returned}"
    heard.clear()


def _said(answer: Any) -> str:
    """Return a request and its answer in one line, without headers and thus without secrets."""
    parts = urlsplit(answer.request.url)
    asked = f"{answer.request.method} {parts.path}{'?' + parts.query if parts.query else ''}"
    sent = answer.request.body or b""
    body = sent.decode() if isinstance(sent, bytes) else sent
    text = answer.text if len(answer.text) <= WIDTH else f"{answer.text[:WIDTH]}..."
    return f"{asked} {body}".strip() + f" -> {answer.status_code} {text}"


if __name__ == "__main__":
    for line in transcript():
        print(line)
