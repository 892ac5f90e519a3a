"""The staging exchange's small rules: addresses, amounts, settings, secrets, capacity."""

from __future__ import annotations

import argparse
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.staging.errors import ApiError
from loadtests.staging.exchange.addresses import is_address
from loadtests.staging.exchange.assets import ASSETS, format_units, parse_amount
from loadtests.staging.exchange.keccak import keccak_256
from loadtests.staging.http.app import make_app
from loadtests.staging.http.capacity import RateLimit, Station
from loadtests.staging.options import add_arguments, settings_from
from loadtests.staging.settings import SECRET_NAMES, Settings, SettingsError, secrets_from
from tests.support.servers.addresses import sample_address
from tests.support.servers.staging_client import ENVIRON, SECRETS

# From BIP 173, BIP 350, EIP-55 and public test-network examples.
VALID = {
    "BTC": [
        "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
        "TB1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KXPJZSX",
        "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
        "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c",
        "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn",
        "2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc",
    ],
    "TRX": ["TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"],
    "ETH": [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        "0x52908400098527886E0F7030069857D2E4169EE7",
    ],
}
INVALID = {
    "BTC": [
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",  # main network
        "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sL5k7",  # mixed case
        "tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47zagq",  # bech32m checksum on version 0
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",  # main network
        "tb1",
        "",
    ],
    "TRX": ["TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6u", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", "T0OIl", ""],
    "ETH": ["0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", "0x12", ""],
}


@pytest.mark.parametrize(("chain", "text"), [(chain, text) for chain, texts in VALID.items() for text in texts])
def test_published_addresses_are_accepted(chain: str, text: str) -> None:
    assert is_address(chain, text)


@pytest.mark.parametrize(("chain", "text"), [(chain, text) for chain, texts in INVALID.items() for text in texts])
def test_addresses_of_another_form_network_or_checksum_are_refused(chain: str, text: str) -> None:
    assert not is_address(chain, text)


@given(st.sampled_from(["BTC", "TRX", "ETH"]), st.integers(0, 2**63 - 1), st.data())
def test_a_sample_address_is_valid_on_its_chain_alone_and_survives_no_changed_letter(
    chain: str, seed: int, data: st.DataObject
) -> None:
    address = sample_address(chain, seed)
    assert address == sample_address(chain, seed)
    assert [name for name in VALID if is_address(name, address)] == [chain]
    if chain != "ETH":  # lower-case hex has no checksum
        at = data.draw(st.integers(0, len(address) - 1))
        letter = data.draw(st.sampled_from("abcdefghjkmnpqrstuvwxyz23456789").filter(lambda one: one != address[at]))
        assert not is_address(chain, address[:at] + letter + address[at + 1 :])


def test_keccak_answers_the_published_digests() -> None:
    assert keccak_256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak_256(b"abc").hex() == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"


@given(st.sampled_from(sorted(ASSETS)), st.integers(1, 10**15))
def test_an_amount_survives_text_exactly(currency: str, units: int) -> None:
    asset = ASSETS[currency]
    text = format_units(units, asset)
    assert parse_amount(text, asset) == units
    assert Decimal(text) * asset.units_per_coin == units
    assert format_units(-units, asset) == "-" + text


@given(st.one_of(st.text(max_size=20), st.floats(), st.integers(), st.none(), st.booleans()))
def test_whatever_is_sent_as_an_amount_is_read_exactly_or_refused(value: object) -> None:
    try:
        units = parse_amount(value, ASSETS["USDT"])
    except ApiError:
        return
    assert isinstance(value, str)
    assert 0 < units == Decimal(value) * 10**6


def test_settings_refuse_all_faults_at_once_in_one_list() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(review_share=1.5, payment_s=float("nan"), port=True, synchronous="off", withdrawal_capacity_per_s=0)
    assert caught.value.faults == [
        "staging: port: got True; must be a whole number from 0 to 65535",
        "staging: withdrawal_capacity_per_s: got 0; must be a rate a second, above 0",
        "staging: payment_s: got nan; must be a number of seconds, 0 or more",
        "staging: review_share: got 1.5; must be a share from 0 to 1",
        "staging: synchronous: got 'off'; must be full or normal",
    ]


def test_opening_balances_that_could_overflow_are_refused() -> None:
    with pytest.raises(SettingsError, match="opening_balance_usd: got 10000000; must keep the sum"):
        Settings(opening_balance_usd=10_000_000)


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


def test_the_key_s_account_is_a_customer_s() -> None:
    assert Settings(key_account=5, registered_customers=5).key_account == 5
    with pytest.raises(SettingsError, match="key_account: got 6; must be a customer's number, the largest is 5"):
        Settings(key_account=6, registered_customers=5)


def test_options_become_settings(tmp_path: Path) -> None:
    options = ("--port", "8080", "--payment-s", "0.5", "--database", str(tmp_path / "x"), "--review-share", "0.5")
    assert settings_from(parsed(*options), ENVIRON) == Settings(
        port=8080, payment_s=0.5, database=tmp_path / "x", review_share=0.5
    )
    assert settings_from(parsed("--database", ":temporary:"), ENVIRON) == settings_from(parsed(), ENVIRON) == Settings()


def test_a_url_becomes_a_database_and_is_no_file() -> None:
    url = "postgresql://me@127.0.0.1:5432/staging?application_name=load"
    settings = settings_from(parsed("--database", url, "--database-connections", "3"), ENVIRON)
    assert (settings.database, settings.database_connections) == (url, 3)


@pytest.mark.parametrize(
    "database",
    [
        "postgresql://me:hunter2@127.0.0.1/x",
        "postgres://:hunter2@127.0.0.1",
        "postgresql://me@127.0.0.1/x?password=hunter2",
        "postgresql://127.0.0.1/x?sslmode=require&sslpassword=hunter2",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_shown(database: str) -> None:
    with pytest.raises(SettingsError, match="without a password") as refused:
        settings_from(parsed("--database", database), ENVIRON)
    assert "hunter2" not in str(refused.value)


def test_without_the_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "loadtests.staging.storage.postgres", raising=False)
    monkeypatch.delattr("loadtests.staging.storage.postgres", raising=False)
    with pytest.raises(ValueError, match=r"withstand\[postgres\]"):
        make_app(settings=Settings(), secrets=SECRETS, database="postgresql://127.0.0.1/x")


def test_options_refuse_all_faults_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_from(parsed("--port", "x", "--fail-share", "-1", "--database", str(tmp_path / "no" / "x")), {})
    keys = [fault.split(":")[1].strip() for fault in caught.value.faults]
    assert keys == ["port", "database", "fail_share", *SECRET_NAMES.values()]


def test_missing_secrets_are_all_named_and_none_is_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        secrets_from({"WITHSTAND_API_KEY": "hidden one", "WITHSTAND_API_SECRET": "s"})
    assert len(caught.value.faults) == 3
    assert "hidden" not in str(caught.value)
    same = dict.fromkeys(SECRET_NAMES.values(), "same")
    with pytest.raises(SettingsError, match="WITHSTAND_ADMIN_TOKEN: got the ticket token; must differ"):
        secrets_from(same)
    assert "secret-text" not in repr(secrets_from({**same, "WITHSTAND_ADMIN_TOKEN": "secret-text"}))


def test_a_station_serves_its_capacity_and_no_more() -> None:
    station = Station(capacity_per_s=10, slots=2, queue_limit=10**6)
    served = [station.book(0.0) for _ in range(100)]
    assert served == pytest.approx([0.2 * (1 + i // 2) for i in range(100)])  # 2 slots of 0.2 s: 10 a second
    assert station.book(1000.0) == pytest.approx(1000.2)  # an idle station saves nothing up


def test_a_station_refuses_more_than_its_queue_and_says_how_long() -> None:
    station = Station(capacity_per_s=0.5, slots=1, queue_limit=2)
    assert [station.book(0.0) for _ in range(3)] == [2.0, 4.0, 6.0]  # one in service, two waiting
    with pytest.raises(ApiError) as caught:
        station.book(0.0)
    assert (caught.value.status, caught.value.retry_after_s) == (503, 6)
    assert station.book(2.0) == 8.0  # one began, so one may wait


@given(st.lists(st.floats(0, 10), max_size=60), st.integers(1, 5), st.floats(0.5, 50))
def test_a_station_is_a_queue_first_come_first_served(gaps: list[float], slots: int, capacity_per_s: float) -> None:
    station = Station(capacity_per_s=capacity_per_s, slots=slots, queue_limit=10**6)
    now_s, free_s, service_s = 0.0, [0.0] * slots, slots / capacity_per_s
    for gap in gaps:
        now_s += gap
        slot = min(range(slots), key=free_s.__getitem__)
        free_s[slot] = max(now_s, free_s[slot]) + service_s
        assert station.book(now_s) == pytest.approx(free_s[slot])


def test_a_rate_limit_counts_by_the_minute() -> None:
    limit = RateLimit(2)
    results: list[Any] = [limit.spend(now_s) for now_s in (60.0, 61.0, 62.0, 119.5, 120.0)]
    assert results == [None, None, 58, 1, None]
