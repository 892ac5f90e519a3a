"""Each check has chance of its own: what befalls one befalls no other."""

from __future__ import annotations

from sim.selfcheck import Check, Compared, checks, run_check
from sim.selfcheck.check import seed_of


def seeds_of(name: str) -> list[float]:
    """Return the seed with which a check of that name replicates, once for each replication."""
    seen: list[float] = []

    def replicate(seed: int, number: int) -> float:
        seen.append(seed)
        return float(number)

    run_check(Check(name, (Compared("x", 1.0, float),), "no source", replicate=replicate), seed=7)
    return seen


def test_two_checks_draw_from_two_seeds() -> None:
    first, second = seeds_of("a"), seeds_of("b")
    assert len(set(first)) == len(set(second)) == 1
    assert first[0] != second[0]
    assert seeds_of("a") == first


def test_every_check_has_a_seed_of_its_own_which_follows_from_the_asked_one() -> None:
    names = [check.name for check in checks()]
    assert len({seed_of(name, 1) for name in names}) == len(names)
    assert seed_of(names[0], 1) != seed_of(names[0], 2)
