"""How long a login's token opens an account: an hour to the second, whoever made it and whatever it says."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from loadtests.staging.errors import ApiError
from loadtests.staging.http.auth import login_token, token_account
from loadtests.staging.settings import Settings
from tests.support.servers.staging_client import SECRETS, Client, staging_thread

HOUR_S = 3600


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with staging_thread(Settings(), tmp_path_factory.mktemp("tokens") / "staging.sqlite") as running:
        yield running


def opens(client: Client, token: str) -> tuple[int, str]:
    answer = client.http.get("/api/v1/account", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, answer.json().get("label", "")


def made(age_s: float) -> str:
    return login_token(account=7, now_s=time.time() - age_s, secret=SECRETS.api_secret)


def test_a_login_says_how_long_it_lasts_and_its_token_says_the_same(client: Client) -> None:
    before_s = int(time.time())
    answer = client.login(7).json()
    account, end_s, _ = answer["token"].split(".")
    assert (account, answer["expires_in"]) == ("7", HOUR_S)
    assert before_s + HOUR_S <= int(end_s) <= time.time() + HOUR_S


def test_the_server_takes_a_token_that_is_nearly_over_and_refuses_one_that_is(client: Client) -> None:
    assert opens(client, made(0)) == (200, "")
    assert opens(client, made(HOUR_S - 60)) == (200, "")
    assert opens(client, made(HOUR_S + 2)) == (401, "TOKEN_EXPIRED")
    assert opens(client, made(30 * 24 * HOUR_S)) == (401, "TOKEN_EXPIRED")


def test_an_expired_token_cannot_be_given_more_time(client: Client) -> None:
    account, end_s, mark = made(HOUR_S + 2).split(".")
    assert opens(client, f"{account}.{int(end_s) + HOUR_S}.{mark}") == (401, "INVALID_TOKEN")


@pytest.mark.parametrize(("late_s", "taken"), [(HOUR_S, True), (HOUR_S + 1, False)])
def test_the_last_second_counts_and_the_next_does_not(late_s: int, taken: bool) -> None:
    token = login_token(account=7, now_s=1_000_000.0, secret="s")
    headers = {"Authorization": f"Bearer {token}"}
    if taken:
        assert token_account(headers=headers, now_s=1_000_000.0 + late_s, secret="s") == 7
        return
    with pytest.raises(ApiError, match="log in again"):
        token_account(headers=headers, now_s=1_000_000.0 + late_s, secret="s")
