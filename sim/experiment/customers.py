"""Who the customers of a run are: a hash of what was drawn of them in its first replication, stream by stream."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from sim.demand import CANDIDATE, ROOT, TASK, Demand, logins, onboarding
from sim.feedback import STREAMS
from sim.model.model import Model
from sim.numerics.streams import Streams

Drawn = NDArray[np.generic]


def customers_of(model: Model, *, seed: int, replication: int) -> dict[str, str]:
    """Return by stream 16 hex digits of what was drawn: when tickets open, what is withdrawn, posted and requested.

    Streams of which nothing was drawn are left out. Two runs in which a stream has one hash meet the same customers
    there; what agents then do with them, and what the feedback levels admit, is not drawn.
    """
    streams = Streams(seed, replication)
    expected = model.expected_in(streams)
    drawn: dict[str, list[Drawn]] = _tickets(model.demand(seed=seed, replication=replication))
    drawn["logins"] = [logins(expected, streams)]
    names = {"signup": "sign-ups", "kyc": "documents", "deposit": "first deposits"}
    drawn |= {names[name]: [counts] for name, counts in onboarding(expected, streams).items()}
    return {name: _hash(arrays) for name, arrays in drawn.items() if any(array.any() for array in arrays)}


def _tickets(demand: Demand) -> dict[str, list[Drawn]]:
    """Return what was drawn of the tickets by category and by feedback level, of withdrawals and of posts."""
    own = (demand.kind == ROOT) | (demand.kind == TASK)
    found: dict[str, list[Drawn]] = {}
    for number, name in enumerate(demand.categories):
        people = demand.opened_ms[own & (demand.category == number)]
        found[f"tickets of {name}"] = [np.sort(np.concatenate([people, demand.bot_opened_ms[number]]))]
    candidates = demand.kind == CANDIDATE
    for number, name in enumerate(STREAMS):
        mine = candidates & (demand.stream == number)
        found[f"tickets after {name}"] = [demand.opened_ms[mine], demand.mark[mine]]
    inputs = demand.inputs
    found["withdrawals"] = [inputs.requests, inputs.rows.drawn]
    found["posts"] = [inputs.posts_ms]
    found["campaigns"] = [inputs.campaign_ms, demand.spam_ms]
    return found


def _hash(arrays: list[Drawn]) -> str:
    digest = blake2b(digest_size=8)
    for array in arrays:
        digest.update(f"{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
