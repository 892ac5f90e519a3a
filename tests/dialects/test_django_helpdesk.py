"""django-helpdesk's dialect by itself: which queue is for tests, what is sent, and how its list is read."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from loadtests import dialects
from loadtests.dialect.contract import NO_FIELDS, Answer, Arrival, Known, ReadError, Request, Ticket

TOKEN = {"WITHSTAND_HELPDESK_TOKEN": "abcdef"}
PREFIX = "ws-1-"


def spoken(**environ: str) -> Any:
    return dialects.load("django_helpdesk", {**TOKEN, **environ})


def page(*options: tuple[str, str]) -> Answer:
    """Return the page on which anybody may submit a ticket, in the words of django-helpdesk 2.6."""
    listed = "".join(f'\n  <option value="{number}">{title}</option>\n' for number, title in options)
    priorities = '<select name="priority"><option value="7">7. a test</option></select>'
    text = f'<select name="queue"><option value="" selected>-----</option>{listed}</select>{priorities}'
    return Answer(200, {}, text.encode())


@pytest.mark.parametrize(
    ("queue", "title", "is_test"),
    [
        ("1", "Load test", True),
        ("1", "STAGING &amp; more", True),
        ("1", "load_test-2", True),
        ("1", "Customers", False),
        ("1", "Contest winners", False),
        ("1", "Testimonials", False),
        ("2", "Load test", False),
        ("", "Load test", False),
        ("7", "Load test", False),  # a priority
    ],
)
def test_only_a_queue_whose_title_says_so_is_for_tests(queue: str, title: str, is_test: bool) -> None:
    assert spoken(WITHSTAND_HELPDESK_QUEUE=queue).is_test_system(page(("1", title), ("3", "Others"))) == is_test


@pytest.mark.parametrize("answer", [Answer(302, {}, page(("1", "test")).body), Answer(200, {}, b"\xff")])
def test_another_answer_says_nothing(answer: Answer) -> None:
    assert not spoken().is_test_system(answer)


def test_a_ticket_carries_its_marker_first_and_fits() -> None:
    request = spoken(WITHSTAND_HELPDESK_QUEUE="5").request(Arrival(3, "ticket", "x" * 300, 42, 0, 7), Known(PREFIX))
    body = json.loads(request.body)
    assert (body["queue"], body["title"][:9], len(body["title"]), request.key) == (5, "[ws-1-3] ", 200, "ws-1-3")
    assert body["submitter_email"].endswith(".invalid")
    assert request.headers["Authorization"] == "Token abcdef"


def test_a_user_has_a_password_instead_of_a_token() -> None:
    request = spoken(WITHSTAND_HELPDESK_USER="me").request(Arrival(3, "ticket_view", "", 42, 0, 7), Known(PREFIX))
    assert base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")) == b"me:abcdef"


def test_all_pages_are_read_and_only_the_run_s_own_are_held() -> None:
    rows = [
        {"id": 1, "title": "somebody's", "status": 1},
        {"id": 2, "title": "[ws-1-0] kyc: case 1", "status": 1},
        {"id": 3, "title": "[ws-1-0] kyc: case 1", "status": 4},
        {"id": 4, "title": "[ws-10-0] another run's", "status": 2},
        {"id": 5, "title": "about [ws-1-1]", "status": 3},
        {"id": 6, "title": None, "status": "odd"},
        {"id": 7, "title": "[ws-1-1] trading: case 2", "status": 2},
    ]

    def send(request: Request) -> Answer:
        query = parse_qs(urlsplit(request.path).query)
        if "status" in query:
            return Answer(200, {}, json.dumps({"count": 5}).encode())
        start = 3 * (int(query["page"][0]) - 1)
        body = {"results": rows[start : start + 3], "next": "more" if start + 3 < len(rows) else None}
        return Answer(200, {}, json.dumps(body).encode())

    held = spoken().holdings(send, PREFIX)
    bare = [one._replace(fields=NO_FIELDS) for one in held.tickets]
    assert [one.fields["subject"] for one in held.tickets] == [rows[i]["title"] for i in (1, 2, 6)]
    assert bare == [
        Ticket("ws-1-0", "2", "open", True, False),
        Ticket("ws-1-0", "3", "closed", False, True),
        Ticket("ws-1-1", "7", "reopened", True, False),
    ]
    assert (held.withdrawals, held.balances, held.open_tickets, held.open_of_others) == ([], None, 5, 2)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"", b'{"results": 3}'])
def test_a_list_that_cannot_be_read_is_told(body: bytes) -> None:
    with pytest.raises(ReadError, match="cannot be read"):
        spoken().holdings(lambda request: Answer(200, {}, body), PREFIX)
