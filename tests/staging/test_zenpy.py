"""The reference server as Zenpy, a Zendesk client, meets it: only the address of the API is another."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from zenpy.lib.api_objects import Comment, Ticket, User
from zenpy.lib.exception import APIException, RecordNotFoundException

from loadtests.staging.settings import Settings
from tests.support.servers.staging_client import SECRETS, Client, staging_thread
from tests.support.servers.strangers import zendesk_client
from tests.tools.transcripts import transcript


@pytest.fixture
def start(
    new_database: Callable[[], Path | str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[Any, Client]]]:
    """Start a server of the test's own; return Zenpy turned to it, and our own client."""
    with contextlib.ExitStack() as stack:

        def enter(**changes: Any) -> tuple[Any, Client]:
            client = stack.enter_context(staging_thread(Settings(**changes), new_database()))
            return zendesk_client(str(client.http.base_url), monkeypatch), client

        yield enter


def test_it_creates_views_lists_and_closes(start: Callable[..., Any]) -> None:
    desk, client = start()
    made = desk.tickets.create(Ticket(subject="Where is it", description="gone", external_id="z-1", tags=["delay"]))
    assert (made.ticket.subject, made.ticket.status, made.audit.ticket_id) == ("Where is it", "open", made.ticket.id)
    viewed = desk.tickets(id=made.ticket.id)
    assert (viewed.description, viewed.external_id, viewed.tags) == ("gone", "z-1", ["delay"])
    assert [ticket.id for ticket in desk.tickets()] == [made.ticket.id]
    for status in ("solved", "closed"):
        viewed.status = status
        changed = desk.tickets.update(viewed)
        assert changed.ticket.status == status
        assert changed.audit.id != made.audit.id
    assert desk.tickets(id=made.ticket.id).status == "closed"
    assert client.ticket("GET", "/api/v2/tickets/count.json?status=closed").json()["count"]["value"] == 1
    with pytest.raises(APIException, match="closed prevents ticket update"):
        desk.tickets.update(Ticket(id=made.ticket.id, status="solved"))


def test_an_audit_tells_what_changed(start: Callable[..., Any]) -> None:
    desk, _ = start()
    made = desk.tickets.create(Ticket(subject="s", comment=Comment(body="first"), priority="low"))
    assert [(e["type"], e.get("field_name"), e.get("value", e.get("body"))) for e in made.audit.events] == [
        ("Comment", None, "first"),
        ("Create", "status", "open"),
        ("Create", "priority", "low"),
    ]
    change = Ticket(id=made.ticket.id, status="pending", priority="low", comment=Comment(body="more", public=False))
    events = desk.tickets.update(change).audit.events
    assert [(e["type"], e.get("previous_value"), e.get("value", e.get("body"))) for e in events] == [
        ("Comment", None, "more"),
        ("Change", "open", "pending"),
    ]
    assert [e["public"] for e in events[:1]] == [False]


def test_a_requester_is_known_by_the_address(start: Callable[..., Any]) -> None:
    desk, _ = start()
    ids = [
        desk.tickets.create(
            Ticket(subject="s", description="d", requester=User(name="n", email=email))
        ).ticket.requester_id
        for email in ("one@example.invalid", "ONE@example.invalid", "two@example.invalid")
    ]
    assert ids[0] == ids[1] != ids[2]


def test_every_page_of_the_list_is_followed_both_ways(start: Callable[..., Any]) -> None:
    desk, client = start()
    made = [client.create_ticket(f"p-{i % 5}").json()["ticket"]["id"] for i in range(23)]
    assert [ticket.id for ticket in desk.tickets(cursor_pagination=5)] == made
    assert [ticket.id for ticket in desk.tickets()] == made
    assert [ticket.id for ticket in desk.tickets(external_id="p-3")] == made[3::5]

    def page(query: str) -> Any:
        answer = client.ticket("GET", f"/api/v2/tickets?{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    newest = page("sort=-id&page[size]=10")
    assert [ticket["id"] for ticket in newest["tickets"]] == made[:-11:-1]
    older = client.ticket("GET", newest["links"]["next"]).json()
    assert [ticket["id"] for ticket in older["tickets"]] == made[12:2:-1]
    last = client.ticket("GET", older["links"]["next"]).json()
    assert ([ticket["id"] for ticket in last["tickets"]], last["meta"]["has_more"]) == (made[2::-1], False)
    assert last["links"]["next"] is None
    back = client.ticket("GET", last["links"]["prev"]).json()
    assert [ticket["id"] for ticket in back["tickets"]] == made[12:2:-1]
    assert page("sort=-id&page[size]=100")["meta"] == {
        "has_more": False,
        "after_cursor": str(made[0]),
        "before_cursor": str(made[-1]),
    }
    empty = page("external_id=nobody&page[size]=2")
    assert (empty["tickets"], empty["meta"]["after_cursor"], empty["links"]["prev"]) == ([], None, None)


@pytest.mark.parametrize(
    "query",
    ["page[size]=101", "page[size]=0", "page[after]=x", "sort=subject", "page=2", "page[after]=1&page[before]=2"],
)
def test_a_list_that_is_not_understood_is_400(start: Callable[..., Any], query: str) -> None:
    _, client = start()
    assert client.ticket("GET", f"/api/v2/tickets?{query}").status_code == 400


def test_what_is_not_there_and_who_may_not_come_in(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    desk, client = start()
    with pytest.raises(RecordNotFoundException):
        desk.tickets(id=99)
    url = str(client.http.base_url)
    assert list(zendesk_client(url, monkeypatch, oauth_token=SECRETS.ticket_token).tickets()) == []
    for wrong in (
        {"email": "agent@example.invalid", "token": "another"},
        {"email": "no-address", "token": SECRETS.ticket_token},
        {"email": "agent@example.invalid", "password": SECRETS.ticket_token},
        {"oauth_token": "another"},
    ):
        stranger = zendesk_client(url, monkeypatch, **wrong)
        for ask in (
            lambda one=stranger: one.tickets(id=1),
            lambda one=stranger: one.tickets.create(Ticket(subject="s", description="d")),
        ):
            with pytest.raises(APIException, match="Couldn't authenticate you"):
                ask()
    assert client.pages("tickets") == []


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic " + "A" * 5, "Basic /////w==", "Basic OnRva2Vu"])
def test_a_basic_header_that_is_none_is_401(start: Callable[..., Any], header: str) -> None:
    _, client = start()
    assert client.ticket("GET", "/api/v2/tickets/1", **{"Authorization": header}).status_code == 401


def test_the_transcripts_show_both_sessions_and_no_secret() -> None:
    lines = list(transcript())
    said = "\n".join(lines)
    assert [line for line in lines if not line.startswith(" ")] == ["ccxt.gate", "zenpy.Zenpy"]
    assert re.findall(r"(POST|PUT) (\S+) .* -> (\d+)", said) == [
        ("POST", "/api/v4/withdrawals", "202"),
        ("POST", "/api/v2/tickets.json", "201"),
        ("PUT", "/api/v2/tickets/1.json", "200"),
        ("PUT", "/api/v2/tickets/1.json", "200"),
    ]
    assert set(re.findall(r"GET .* -> (\d+)", said)) == {"200"}
    assert not any(secret in said for secret in (SECRETS.api_secret, SECRETS.api_key, SECRETS.ticket_token))
