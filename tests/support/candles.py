"""Candle files for tests: hourly closes, each candle flat at its close."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

BEGIN = datetime(2024, 3, 1, tzinfo=UTC)
HEADER = "date,open,high,low,close,volume"


def candle_file(
    folder: Path,
    closes: Sequence[float] | np.ndarray,
    *,
    step: timedelta = timedelta(hours=1),
    leave_out: Collection[int] = (),
) -> Path:
    """Write a file whose candles begin at BEGIN and follow each other by ``step``, without those left out."""
    rows = [HEADER]
    rows += [
        f"{BEGIN + i * step:%Y-%m-%dT%H:%MZ},{c},{c},{c},{c},1" for i, c in enumerate(closes) if i not in leave_out
    ]
    return text_file(folder, "\n".join(rows) + "\n")


def text_file(folder: Path, text: str | bytes) -> Path:
    """Write a candle file of this text."""
    path = folder / "candles.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def walk(hours: int, *, seed: int = 1, scale: float = 0.01) -> np.ndarray:
    """Return the closes of a random walk."""
    return np.asarray(100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, scale, hours))))
