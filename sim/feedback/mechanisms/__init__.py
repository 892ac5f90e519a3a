"""The mechanisms of the feedback kernel: each declares its columns, parameters and stream, once."""

from __future__ import annotations

from sim.feedback.mechanisms import copies, panic, rumour, trust, withdrawals

__all__ = ["copies", "panic", "rumour", "trust", "withdrawals"]
