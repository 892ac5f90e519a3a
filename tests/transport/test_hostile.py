"""Whatever a server breaks, each request leaves once and is judged rightly, in few words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.proxies.hostile_modes import Mode, kept, meet, modes

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("mode", modes(), ids=lambda mode: mode.name)
def test_each_request_is_counted_once_and_judged_rightly(tmp_path: Path, mode: Mode) -> None:
    met = meet(mode, tmp_path)
    assert kept(mode, met), met
