"""Rules for withdrawals and the public that concern several keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sim.scenario.faults import Fault, among
from sim.scenario.feedback_tickets import feedback_tickets
from sim.scenario.schema.scenario import Scenario
from sim.scenario.schema.withdrawals import Gateway, Jurisdiction, Withdrawals


def withdrawal_faults(withdrawals: Withdrawals) -> Iterator[Fault]:
    """Yield the faults of the withdrawal pipeline: (key path, value found, rule)."""
    at = "withdrawals"
    for name, rail in withdrawals.rails.items():
        yield from _unknown(f"{at}.rails.{name}", name, withdrawals.assets, "an asset")
        if (rail.confirmations == 0) != (rail.block_time is None):
            keys = ("confirmations", "block_time") if rail.confirmations == 0 else ("block_time", "confirmations")
            yield f"{at}.rails.{name}.{keys[0]}", "nothing", f"must be given together with {keys[1]}"
    for kind, windows in (("pauses", withdrawals.pauses), ("congestion", withdrawals.congestion)):
        for name, window in windows.items():
            for i, asset in enumerate(window.assets):
                yield from _unknown(f"{at}.{kind}.{name}.assets.{i}", asset, withdrawals.assets, "an asset")
    limits = withdrawals.limits
    if limits and (limits.stress_from is None) != (limits.stress_to is None):
        keys = ("stress_from", "stress_to") if limits.stress_from is None else ("stress_to", "stress_from")
        yield f"{at}.limits.{keys[0]}", "nothing", f"must be given together with {keys[1]}"
    if limits and limits.stress_to is not None and limits.stress_to <= (limits.stress_from or 0):
        yield f"{at}.limits.stress_to", limits.stress_to, "must be above stress_from"
    yield from _country_faults(withdrawals)


def _country_faults(withdrawals: Withdrawals) -> Iterator[Fault]:
    at, shares = "withdrawals.jurisdictions", [one.share for one in withdrawals.jurisdictions.values()]
    if shares and abs(sum(shares) - 1) > 1e-9:
        yield at, f"shares that sum to {round(sum(shares), 9)}", "must sum to 1 over all jurisdictions"
    if withdrawals.barred and not shares:
        yield "withdrawals.barred", "no jurisdictions", "must be given together with withdrawals.jurisdictions.NAME"
    for name, one in withdrawals.jurisdictions.items():
        yield from _jurisdiction_faults(f"{at}.{name}", one)


def _jurisdiction_faults(at: str, one: Jurisdiction) -> Iterator[Fault]:
    if one.rule == "limited" and one.limit_usd is None:
        yield f"{at}.limit_usd", None, "must be given, in US dollars, where rule is limited"
    if one.rule != "limited" and one.limit_usd is not None:
        yield f"{at}.limit_usd", one.limit_usd, f"must be absent where rule is {one.rule}"
    for key in ("breach_share", "breach_cost_usd"):
        if one.rule == "allowed" and getattr(one, key):
            yield f"{at}.{key}", getattr(one, key), "must be 0 or absent where rule is allowed"


def public_faults(scenario: Scenario) -> Iterator[Fault]:
    """Yield the faults of the public, of the gateway, and of the tickets that either opens."""
    for asked in feedback_tickets(scenario):
        yield from _unknown(asked.key, asked.category, scenario.categories, "a category")
    if scenario.gateway:
        yield from _gateway_faults(scenario, scenario.gateway)
    for i, name in enumerate(scenario.complaints.unanswerable):
        yield from _unknown(f"complaints.unanswerable.{i}", name, scenario.categories, "a category")
    if scenario.copies and scenario.copies.per_post >= 1:
        yield "copies.per_post", scenario.copies.per_post, "must be below 1, otherwise a cascade never ends"
    if scenario.amplification and scenario.copies is None:
        yield "amplification", "no copies", "must be given together with a table copies, which it feeds"
    if scenario.run and scenario.withdrawals is None:
        yield "run", "no withdrawals", "must be given together with a table withdrawals, which it feeds"
    if scenario.run and scenario.rumour is None and scenario.run.frightened_per_hour:
        yield "run.frightened_per_hour", "no rumour", "must be given together with a table rumour, its cause"


def _gateway_faults(scenario: Scenario, gateway: Gateway) -> Iterator[Fault]:
    if scenario.withdrawals is None:
        yield "gateway", "no withdrawals", "must be given together with a table withdrawals, which pass the gateway"
    if len(gateway.error_shares) != len(gateway.loads_per_s):
        rule = f"must have as many shares as loads_per_s has loads, {len(gateway.loads_per_s)}"
        yield "gateway.error_shares", f"{len(gateway.error_shares)} shares", rule
    if sorted(set(gateway.loads_per_s)) != gateway.loads_per_s:
        yield "gateway.loads_per_s", "loads that do not ascend", "must be in ascending order"


def _unknown(at: str, got: str, known: Iterable[str], what: str) -> Iterator[Fault]:
    if got not in known:
        yield at, got, among(what, known)
