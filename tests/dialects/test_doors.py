"""The doors at the places where dialects of one's own have imported from: each hands on all that lies behind it."""

from __future__ import annotations

from importlib import import_module

import pytest


@pytest.mark.parametrize("name", ["answers", "api", "payload", "signing"])
def test_a_door_hands_on_every_public_name(name: str) -> None:
    door, behind = import_module(f"loadtests.{name}"), import_module(f"loadtests.dialect.{name}")
    public = [one for one in vars(behind) if not one.startswith("_")]
    assert len(public) > 1
    assert all(getattr(door, one) is getattr(behind, one) for one in public)


def test_the_contract_is_what_a_dialect_imports_from_its_folder() -> None:
    folder, contract = import_module("loadtests.dialect"), import_module("loadtests.dialect.contract")
    public = [one for one in vars(contract) if not one.startswith("_")]
    assert {"Holdings", "Request", "Withdrawal", "ACKNOWLEDGED"} <= set(public)
    assert all(getattr(folder, one) is getattr(contract, one) for one in public)
