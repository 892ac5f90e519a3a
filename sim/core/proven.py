"""What load tests proved of each endpoint, put together: the rate that holds, the rate that broke, the predicted peak.

Both halves say it in the same words: a load test of itself, the demo and the report of several. A rate that was held
covers every lower one, so a rare endpoint can be replayed faster than predicted to get enough of its requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HELD, BROKEN, UNPROVEN = "held", "broken", "unproven"
PLURALS = {
    "withdrawal": "withdrawals",
    "withdrawal_status": "withdrawal status polls",
    "ticket": "new tickets",
    "ticket_view": "ticket views",
    "login": "logins",
    "signup": "sign-ups",
    "kyc": "documents sent",
    "deposit": "first deposits",
    "mfa": "codes entered",
}
"""The endpoints, as a sentence names their requests."""


@dataclass(frozen=True)
class Proof:
    """One endpoint, in requests a second: the highest rate held below the lowest that broke; None where none was."""

    endpoint: str
    proven_per_s: float | None
    broken_per_s: float | None
    peak_per_s: float | None
    why: str = ""

    @property
    def factor(self) -> float:
        """What is proven as a multiple of the predicted peak; 0 where nothing is."""
        return (self.proven_per_s or 0.0) / self.peak_per_s if self.peak_per_s else 0.0

    @property
    def enough(self) -> bool:
        """Whether the predicted peak is proven to be held."""
        return self.factor >= 1

    @property
    def too_little(self) -> bool:
        """Whether it broke at the predicted peak or below."""
        return bool(self.peak_per_s) and self.broken_per_s is not None and self.broken_per_s <= (self.peak_per_s or 0.0)

    def words(self) -> str:
        """Return the proof in words, such as "withdrawals proven to 7.1/s, broken at 9.4/s, peak 8/s: not proven"."""
        name = PLURALS.get(self.endpoint, self.endpoint)
        proven = "nothing proven" if self.proven_per_s is None else f"proven to {shown(self.proven_per_s)}/s"
        broken = "" if self.broken_per_s is None else f", broken at {shown(self.broken_per_s)}/s"
        if not self.peak_per_s:
            return f"{name} {proven}{broken}, no peak predicted"
        found = f"{name} {proven}{broken}, peak {shown(self.peak_per_s)}/s"
        if self.enough:
            return f"{found}: {self.factor:.3g} times the peak"
        return f"{found}: {'too little' if self.too_little else 'not proven'}"


def proofs_of(headrooms: Sequence[Mapping[str, Any]]) -> list[Proof]:
    """Return what load tests of one target proved together, from the ``headroom`` of each, the tightest first.

    Endpoints without a predicted peak come last.
    """
    seen: dict[str, list[Mapping[str, Any]]] = {}
    for one in headrooms:
        for name, proof in (one.get("endpoints") or {}).items():
            seen.setdefault(name, []).append(proof)
    return sorted((_together(name, rows) for name, rows in seen.items()), key=lambda p: (not p.peak_per_s, p.factor))


def _together(name: str, rows: Sequence[Mapping[str, Any]]) -> Proof:
    broken = min((row["sent_per_s"] for row in rows if row["state"] == BROKEN), default=None)
    held = [row["sent_per_s"] for row in rows if row["state"] == HELD]
    below = [rate for rate in held if broken is None or rate < broken]
    peak = next((row["predicted_p95_per_s"] for row in rows if row["predicted_p95_per_s"]), None)
    why = next((row["why"] for row in rows if row["state"] == UNPROVEN), "")
    return Proof(name, max(below, default=None), broken, peak, why)


def unsent(headrooms: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the endpoints with a predicted peak that none of the load tests sent to."""
    sent = {name for one in headrooms for name in one.get("endpoints") or {}}
    return sorted({name for one in headrooms for name in one.get("not_sent") or {}} - sent)


def conclusion(headrooms: Sequence[Mapping[str, Any]]) -> str:
    """Return what load tests of one target proved, in a sentence: the tightest endpoint decides. Empty of nothing.

    Where an endpoint will get requests and none was sent to it, "enough" is said of what was sent alone.
    """
    proofs = [proof for proof in proofs_of(headrooms) if proof.peak_per_s]
    if not proofs:
        return ""
    tightest = proofs[0]
    left_out = unsent(headrooms)
    lacking = f"; not sent, so not proven: {', '.join(PLURALS.get(n, n) for n in left_out)}" if left_out else ""
    if tightest.enough:
        whole = "enough for what was sent" if left_out else "enough"
        return f"{whole}, with {tightest.factor - 1:.0%} to spare at the tightest: {tightest.words()}{lacking}"
    why = f" ({tightest.why})" if tightest.why and tightest.proven_per_s is None else ""
    others = [PLURALS.get(p.endpoint, p.endpoint) for p in proofs[1:] if not p.enough]
    more = f"; nor are {', '.join(others)}" if others else ""
    return f"{tightest.words()}{why}{more}{lacking}"


def shown(value: float) -> str:
    """Return a rate with the digits that a reader needs."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
