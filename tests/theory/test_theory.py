"""Every closed form against its oracle, and against laws and limits that hold whatever the numbers are."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from sim import theory

ORACLES: dict[str, dict[str, Any]] = {
    o["id"]: o for o in json.loads((Path(__file__).parents[1] / "support" / "oracles.json").read_text())
}
ELSEWHERE = {
    "tcrit", "paired-vs-welch", "sequential-relative",  # test_statistics.py
    "btc-confirm",  # tests/feedback/test_oracles.py
    "KN",  # tests/numerics/test_selection.py
}  # fmt: skip
NOT_YET = {
    "hawkes", "hotwallet-ruin", "final-size", "bybit-2025",  # no closed form of the desk's queues
}  # fmt: skip
DIGITS = 1e-9
"""The oracles give 12 digits."""

Check = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
CHECKS: dict[str, Check] = {}


def check(*names: str) -> Callable[[Check], Check]:
    """Register a function that returns our answers, by the oracle's own names, for ids that start so."""

    def register(function: Check) -> Check:
        CHECKS.update(dict.fromkeys(names, function))
        return function

    return register


@check("erlangB")
def _(p: dict, a: dict) -> dict:
    return {"B": theory.erlang_b(load=p["a"], servers=p["c"])}


def mmc(p: dict) -> theory.ErlangC:
    return theory.erlang_c(arrival_rate=p["lam"], service_rate=p["mu"], servers=p["c"])


@check("erlangC")
def _(p: dict, a: dict) -> dict:
    q = mmc(p)
    return {
        "rho": q.occupancy, "P_wait": q.p_wait, "Wq": q.mean_wait, "Lq": q.mean_in_queue, "W": q.mean_sojourn,
        "L": q.mean_in_system, "service_level": q.service_level(p["T"]),
    }  # fmt: skip


@check("erlangA-1", "erlangA-3", "erlangA-5")
def _(p: dict, a: dict) -> dict:
    q = theory.erlang_a(arrival_rate=p["lam"], service_rate=p["mu"], abandon_rate=p["theta"], servers=p["c"])
    return {
        "P_wait": q.p_wait, "P_abandon": q.p_abandon, "Lq": q.mean_in_queue, "E_wait_all": q.mean_wait,
        "occupancy": q.occupancy,
    }  # fmt: skip


PATIENCE = {
    "mmnG-exp": theory.exponential_patience(mean=1 / 12),
    "mmnG-det": theory.deterministic_patience(value=5 / 60),
}


@check("mmnG", "erlangA-SL")
def _(p: dict, a: dict) -> dict:
    patience = (
        theory.exponential_patience(mean=1 / p["theta"])
        if "theta" in p
        else PATIENCE["mmnG-exp" if p["patience"].startswith("exp") else "mmnG-det"]
    )
    # The target is printed with 12 digits where it is a minute or a third of one.
    target = round(p["T"] * 3600) / 3600
    q = theory.mmn_g(arrival_rate=p["lam"], service_rate=p["mu"], servers=p["n"], patience=patience, target=target)
    return {
        "P_wait": q.p_wait, "P_abandon": q.p_abandon, "E_wait_all": q.mean_wait, "Lq": q.mean_in_queue,
        "E_virtual_wait": q.mean_virtual_wait, "P_W_gt_T": q.p_wait_beyond_target,
        "served_within_T": q.p_served_within_target,
    }  # fmt: skip


@check("mg1-lognormal")
def _(p: dict, a: dict) -> dict:
    q = theory.mg1(arrival_rate=p["lam"], mean_service=p["mean_service"], cv=p["cv"])
    mu, sigma = theory.lognormal_parameters(mean=p["mean_service"], cv=p["cv"])
    return {
        "sigma_ln": sigma, "mu_ln": mu, "rho": q.occupancy, "Wq": q.mean_wait, "Lq": q.mean_in_queue,
        "W": q.mean_sojourn, "L": q.mean_in_system,
        "median_service": math.exp(mu),
    }  # fmt: skip


@check("md1")
def _(p: dict, a: dict) -> dict:
    q = theory.mg1(arrival_rate=p["lam"], mean_service=p["mean_service"], cv=0.0)
    return {"rho": q.occupancy, "Wq": q.mean_wait}


@check("cobham-mmc-np")
def _(p: dict, a: dict) -> dict:
    q = theory.cobham(arrival_rates=p["lam"], service_rate=p["mu"], servers=p["c"])
    return {"Wq": q.mean_wait, "P_wait": q.p_wait, "Wq_aggregate": q.mean_wait_all}


@check("jackson-feedback")
def _(p: dict, a: dict) -> dict:
    q = theory.jackson_open(external_rates=p["gamma"], routing=p["P"], service_rates=p["mu"], servers=p["c"])
    return {
        "lam": [s.throughput for s in q.stations], "rho": [s.occupancy for s in q.stations],
        "P_wait": [s.p_wait for s in q.stations], "Wq": [s.mean_wait for s in q.stations],
        "L": [s.mean_in_system for s in q.stations], "L_total": q.mean_in_system,
        "sojourn_total": q.mean_sojourn,
    }  # fmt: skip


@check("tandem-2")
def _(p: dict, a: dict) -> dict:
    n = len(p["mu"])
    q = theory.jackson_open(
        external_rates=[p["lam"]] + [0.0] * (n - 1), routing=np.eye(n, k=1), service_rates=p["mu"], servers=p["c"]
    )
    return {
        "L": [s.mean_in_system for s in q.stations], "L_total": q.mean_in_system, "W_total": q.mean_sojourn
    }  # fmt: skip


@check("mtginf")
def _(p: dict, a: dict) -> dict:
    number, lag = theory.mtginf_sinusoid(
        mean_rate=p["lbar"], amplitude=p["beta"], period=p["period"], mean_service=p["mean_service"],
        exponential=p["service"] == "exponential",
    )  # fmt: skip
    peak = float(number(p["period"] / 4 + lag))
    answers = {"m_t": number(p["t"]).tolist(), "lag_of_peak": lag, "peak": peak}
    return {key: answers[key] for key in a}


@check("poisson-gamma")
def _(p: dict, a: dict) -> dict:
    q = theory.poisson_gamma(mean=p["mean"], cv_busyness=p["cv_busyness"])
    return {
        "shape": q.shape, "variance": q.variance, "index_of_dispersion": q.index_of_dispersion,
        "sd": q.deviation, "poisson_sd": math.sqrt(p["mean"]),
    }  # fmt: skip


@check("gate-funnel")
def _(p: dict, a: dict) -> dict:
    q = theory.funnel(
        users=p["users"], active_share=p["active_month"], issues_per_day=p["issue_per_day"],
        resolved_at_once=p["resolved_at_once"], public_share=p["public_share"],
    )  # fmt: skip
    return {
        "active": q.active,
        "tickets": q.tickets,
        "remaining": q.unresolved,
        "public": q.public,
    }


@check("bot-agent-reconcile")
def _(p: dict, a: dict) -> dict:
    first = theory.agent_first_contact(bot_share=p["deflection"], resolved_at_once=p["immediate_total"])
    human = 10_000 * (1 - p["deflection"])
    return {"agent_first_contact": first, "agent_tickets_per_day": human, "escalated": human * (1 - first)}


@check("funnel-by-type")
def _(p: dict, a: dict) -> dict:
    rows, total = theory.funnel_by_type(tickets_per_day=p["tickets_per_day"], types=p["types"])
    columns = ("tickets", "human", "escalated", "public")
    return {
        "bot_resolved": total.tickets - total.human, "human": total.human,
        "first_contact": total.first_contact, "escalated": total.escalated, "public": total.public,
        "rows": {name: {c: getattr(row, c) for c in columns} for name, row in rows.items()},
    }  # fmt: skip


@check("fluid-surge-backlog")
def _(p: dict, a: dict) -> dict:
    q = theory.fluid_surge(
        base_rate=p["lam_base"], surge_rate=p["lam_surge"], duration=p["duration"], capacity=p["capacity"]
    )
    return {
        "peak": q.peak, "clear": q.clear_time, "ticket_hours": q.ticket_time, "max_fifo_delay": q.max_wait
    }  # fmt: skip


@check("complaint-hazard-calibration")
def _(p: dict, a: dict) -> dict:
    h = theory.complaint_hazard_exponential(p=p["p"], mean_time=p["ET_hours"])
    fixed = theory.complaint_hazard_deterministic(p=p["p"], time=p["ET_hours"])
    twice = 2 * p["ET_hours"]
    return {
        "h_exp": h, "h_det": fixed,
        "P_if_ET_doubles_exp": theory.complaint_probability_exponential(hazard=h, mean_time=twice),
        "P_if_T_doubles_det": theory.complaint_probability_deterministic(hazard=fixed, time=twice),
    }  # fmt: skip


@check("runlength-mm1")
def _(p: dict, a: dict) -> dict:
    rho = p["rho"]
    t = theory.mm1_run_length(occupancy=rho, relative_width=p["eps"], confidence=p["conf"])
    # The asymptotic variance behind it, from t = 4 z^2 avar / (eps L)^2.
    z = 1.959963984540054
    avar = t * (p["eps"] * rho / (1 - rho)) ** 2 / (4 * z**2)
    return {"avar": avar, "t": t}


def home(name: str) -> str | None:
    """Return the longest registered beginning of an oracle's id."""
    return max((start for start in CHECKS if name.startswith(start)), key=len, default=None)


MINE = sorted(name for name in ORACLES if home(name))


def assert_close(ours: Any, answer: Any, where: str) -> None:
    if isinstance(answer, dict):
        assert ours.keys() == answer.keys(), where
        for key, value in answer.items():
            assert_close(ours[key], value, f"{where}.{key}")
    else:
        assert ours == pytest.approx(answer, rel=DIGITS, abs=1e-15), where


@pytest.mark.parametrize("name", MINE)
def test_oracle(name: str) -> None:
    oracle = ORACLES[name]
    ours = CHECKS[home(name) or ""](oracle["parameters"], oracle["answer"])
    assert_close(ours, oracle["answer"], name)


def test_every_oracle_has_a_test_or_a_reason() -> None:
    starts = (*ELSEWHERE, *NOT_YET, "mt-spike-erlangC")
    assert [name for name in ORACLES if not home(name) and not name.startswith(starts)] == []
    assert [start for start in starts if not any(name.startswith(start) for name in ORACLES)] == []


def test_mt_spike_oracle() -> None:
    p, a = (ORACLES["mt-spike-erlangC"][key] for key in ("parameters", "answer"))
    q = theory.mt_mmc(
        changes=p["spike"],
        rates=[p["lam_base"], p["lam_spike"], p["lam_base"]],
        service_rate=p["mu"],
        servers=p["c"],
        times=a["t"],
    )
    assert q.mean_in_system == pytest.approx(a["L"], rel=1e-6)
    assert q.mean_in_queue == pytest.approx(a["Lq"], rel=1e-6)
    assert q.p_wait == pytest.approx(a["P_wait"], rel=1e-6)
    assert q.p_last < 1e-12


def test_erlang_b_equals_its_sum() -> None:
    terms = [9.0**k / math.factorial(k) for k in range(11)]
    assert theory.erlang_b(load=9, servers=10) == pytest.approx(terms[-1] / sum(terms), rel=1e-13)
    assert theory.erlang_b(load=9, servers=0) == 1.0
    assert 0 < theory.erlang_b(load=5000, servers=5100) < 0.01


loads = st.floats(0.05, 0.97)
many = st.integers(1, 60)


@given(loads, many)
def test_little_holds(rho: float, servers: int) -> None:
    q = theory.erlang_c(arrival_rate=rho * servers * 2.0, service_rate=2.0, servers=servers)
    assert q.mean_in_system == pytest.approx(q.throughput * q.mean_sojourn, rel=1e-12)


@given(st.floats(0.2, 2.5), st.floats(0.05, 20), many)
def test_flow_balance_of_erlang_a(rho: float, theta: float, servers: int) -> None:
    arrivals = rho * servers * 3.0
    q = theory.erlang_a(arrival_rate=arrivals, service_rate=3.0, abandon_rate=theta, servers=servers)
    assert arrivals * (1 - q.p_abandon) == pytest.approx(servers * 3.0 * q.occupancy, rel=1e-10)


def test_a_finite_room_is_erlang_b_without_places_and_erlang_c_with_many() -> None:
    none = theory.mmck(arrival_rate=9, service_rate=1, servers=10, places=0)
    assert none.p_blocked == pytest.approx(theory.erlang_b(load=9, servers=10), rel=1e-12)
    assert (none.p_wait, none.mean_wait) == (0, 0)
    many, c = (theory.mmck(arrival_rate=5, service_rate=2, servers=3, places=400),
               theory.erlang_c(arrival_rate=5, service_rate=2, servers=3))  # fmt: skip
    assert many.p_blocked < 1e-20
    assert (many.p_wait, many.mean_wait) == pytest.approx((c.p_wait, c.mean_wait), rel=1e-12)
    assert many.mean_in_system == pytest.approx(c.mean_in_system, rel=1e-12)


def test_a_finite_room_of_one_agent_has_geometric_states() -> None:
    """M/M/1/4 at load 0.8: p[n] = 0.8^n (1 - 0.8) / (1 - 0.8^5)."""
    q = theory.mmck(arrival_rate=0.8, service_rate=1, servers=1, places=3)
    p = [0.8**n * 0.2 / (1 - 0.8**5) for n in range(5)]
    assert q.p_blocked == pytest.approx(p[4], rel=1e-13)
    assert q.p_wait == pytest.approx(sum(p[1:4]) / (1 - p[4]), rel=1e-13)
    assert q.mean_wait == pytest.approx((p[2] + 2 * p[3] + 3 * p[4]) / (0.8 * (1 - p[4])), rel=1e-13)


def test_erlang_a_tends_to_erlang_b_and_to_erlang_c() -> None:
    gone = theory.erlang_a(arrival_rate=45, service_rate=1, abandon_rate=1e9, servers=50)
    assert gone.p_abandon == pytest.approx(theory.erlang_b(load=45, servers=50), rel=1e-6)
    patient = theory.erlang_a(arrival_rate=45, service_rate=1, abandon_rate=1e-6, servers=50)
    exact = theory.erlang_c(arrival_rate=45, service_rate=1, servers=50)
    assert patient.p_wait == pytest.approx(exact.p_wait, rel=1e-4)
    assert patient.mean_wait == pytest.approx(exact.mean_wait, rel=1e-4)


def test_erlang_a_equals_its_incomplete_gamma_form() -> None:
    from scipy.special import gammainc, gammaln

    lam, mu, theta, c = 200.0, 10.0, 5.0, 22
    x, y, rho = c * mu / theta, lam / theta, lam / (c * mu)
    form = math.exp(math.log(x) + y - x * math.log(y) + gammaln(x)) * gammainc(x, y)
    loss = theory.erlang_b(load=lam / mu, servers=c)
    p_wait = form * loss / (1 + (form - 1) * loss)
    q = theory.erlang_a(arrival_rate=lam, service_rate=mu, abandon_rate=theta, servers=c)
    assert q.p_wait == pytest.approx(p_wait, rel=1e-10)
    assert q.p_abandon == pytest.approx(p_wait * (1 / (rho * form) + 1 - 1 / rho), rel=1e-9)


@given(st.floats(0.3, 1.8), st.floats(0.5, 20), st.integers(1, 25))
def test_exponential_patience_gives_erlang_a(rho: float, theta: float, servers: int) -> None:
    rates: dict[str, Any] = {"arrival_rate": rho * servers * 6.0, "service_rate": 6.0, "servers": servers}
    chain = theory.erlang_a(**rates, abandon_rate=theta)
    patience = theory.exponential_patience(mean=1 / theta)
    integral = theory.mmn_g(**rates, patience=patience, target=0.05)
    assert integral.p_wait == pytest.approx(chain.p_wait, rel=1e-8)
    assert integral.p_abandon == pytest.approx(chain.p_abandon, rel=1e-8)
    assert integral.mean_wait == pytest.approx(chain.mean_wait, rel=1e-8)


def test_lognormal_patience_lies_where_its_variation_says() -> None:
    rates: dict[str, Any] = {"arrival_rate": 100.0, "service_rate": 6.0, "servers": 16, "target": 1 / 60}
    nearly_fixed = theory.mmn_g(**rates, patience=theory.lognormal_patience(mean=5 / 60, cv=0.01))
    fixed = theory.mmn_g(**rates, patience=theory.deterministic_patience(value=5 / 60))
    assert nearly_fixed.p_abandon == pytest.approx(fixed.p_abandon, rel=1e-2)
    leaving = [
        theory.mmn_g(**rates, patience=theory.lognormal_patience(mean=5 / 60, cv=cv)).p_abandon
        for cv in (0.1, 0.5, 1.0, 1.5, 3.0)
    ]
    assert leaving == sorted(leaving)


@pytest.mark.parametrize(
    "patience",
    [
        theory.exponential_patience(mean=0.7),
        theory.deterministic_patience(value=0.7),
        theory.lognormal_patience(mean=0.7, cv=1.5),
    ],
    ids=["exponential", "deterministic", "lognormal"],
)
def test_the_integral_of_patience_is_the_integral_of_its_survival(patience: theory.Patience) -> None:
    for x in (0.01, 0.5, 0.7, 2.0):
        area = quad(patience.survival, 0, x, points=[0.7] if x > 0.7 else None, epsabs=1e-13)[0]
        assert patience.integral(x) == pytest.approx(area, rel=1e-9)
    assert patience.integral(1e4) == pytest.approx(0.7, rel=1e-6)


def test_served_within_and_leaving_add_up() -> None:
    rates: dict[str, Any] = {"arrival_rate": 100.0, "service_rate": 6.0, "servers": 16}
    patience = theory.lognormal_patience(mean=5 / 60, cv=1.5)
    late = theory.mmn_g(**rates, patience=patience, target=5.0)
    assert late.p_served_within_target + late.p_abandon == pytest.approx(1.0, rel=1e-12)
    at_once = theory.mmn_g(**rates, patience=patience, target=0.0)
    assert at_once.p_served_within_target == pytest.approx(1 - at_once.p_wait, rel=1e-9)


def test_a_queue_that_nobody_leaves_and_nobody_can_serve_is_refused() -> None:
    endless = theory.Patience(survival=lambda x: 1.0, integral=lambda x: x)
    with pytest.raises(ValueError, match="the queue grows without end"):
        theory.mmn_g(arrival_rate=10, service_rate=1, servers=5, patience=endless, target=1)
    with pytest.raises(ValueError, match="arrival_rate: got 10; must be 0 or more and below the capacity, 5"):
        theory.erlang_c(arrival_rate=10, service_rate=1, servers=5)


@given(st.lists(st.floats(0.1, 3.0), min_size=1, max_size=5), st.integers(1, 10))
def test_priorities_conserve_the_work_waiting(rates: list[float], servers: int) -> None:
    mu = 1.25 * sum(rates) / servers
    first_come = theory.erlang_c(arrival_rate=sum(rates), service_rate=mu, servers=servers)
    classes = theory.cobham(arrival_rates=rates, service_rate=mu, servers=servers)
    assert classes.mean_wait_all == pytest.approx(first_come.mean_wait, rel=1e-9)
    assert classes.mean_wait == sorted(classes.mean_wait)


@pytest.mark.parametrize(
    ("exponential", "survival", "longest"),
    [(True, lambda x: math.exp(-x / 2), 100.0), (False, lambda x: 1.0, 2.0)],
    ids=["exponential", "deterministic"],
)
def test_the_sinusoid_of_mtginf_equals_the_quadrature(
    exponential: bool, survival: Callable[[float], float], longest: float
) -> None:
    number, _ = theory.mtginf_sinusoid(mean_rate=100, amplitude=0.6, period=24, mean_service=2, exponential=exponential)

    def rate(t: float) -> float:
        return 100 * (1 + 0.6 * math.sin(2 * math.pi * t / 24))

    for t in (0.0, 5.5, 17.0):
        by_hand = quad(lambda x, t=t: rate(t - x) * survival(x), 0, longest, epsabs=0, epsrel=1e-12, limit=1000)[0]
        assert float(number(t)) == pytest.approx(by_hand, rel=1e-10)


def test_without_change_the_forward_equations_stay_where_they_are() -> None:
    q = theory.mt_mmc(
        changes=[3.0], rates=[8.0, 8.0], service_rate=1.0, servers=10, times=[0.0, 1.0, 3.0, 50.0], states=300
    )
    exact = theory.erlang_c(arrival_rate=8, service_rate=1, servers=10)
    assert q.mean_in_system == pytest.approx(exact.mean_in_system, rel=1e-8)
    assert q.p_wait == pytest.approx(exact.p_wait, rel=1e-8)


def test_with_impatience_the_forward_equations_end_in_erlang_a() -> None:
    q = theory.mt_mmc(
        changes=[0.0, 1.0],
        rates=[5.0, 40.0, 15.0],
        service_rate=1.0,
        servers=10,
        abandon_rate=0.5,
        times=[0.0, 0.5, 40.0],
        states=200,
    )
    assert q.mean_in_queue[-1] == pytest.approx(
        theory.erlang_a(arrival_rate=15, service_rate=1, abandon_rate=0.5, servers=10).mean_in_queue, rel=1e-7
    )
    assert q.mean_in_system[0] == pytest.approx(
        theory.erlang_a(arrival_rate=5, service_rate=1, abandon_rate=0.5, servers=10).mean_in_queue
        + 10 * theory.erlang_a(arrival_rate=5, service_rate=1, abandon_rate=0.5, servers=10).occupancy
    )


def test_complaints_of_an_mmc_equal_the_integral_over_its_sojourn() -> None:
    q = theory.erlang_c(arrival_rate=5, service_rate=2, servers=3)
    hazard, mu, d = 0.3, q.service_rate, q.spare_rate
    t = np.linspace(0, 60, 200_001)
    # P(wait + service > t). Source: Gross et al., Fundamentals of Queueing Theory, ch. 2.
    survival = np.exp(-mu * t) + q.p_wait * mu * (np.exp(-d * t) - np.exp(-mu * t)) / (mu - d)
    by_hand = float(np.trapezoid(hazard * np.exp(-hazard * t) * survival, t))
    ours = theory.complaint_probability_mmc(
        hazard=hazard, p_wait=q.p_wait, spare_rate=q.spare_rate, service_rate=q.service_rate
    )
    assert ours == pytest.approx(by_hand, rel=1e-6)


@given(st.floats(0.001, 0.9), st.floats(0.1, 500))
def test_complaint_hazards_give_back_their_share(p: float, time: float) -> None:
    h = theory.complaint_hazard_exponential(p=p, mean_time=time)
    assert theory.complaint_probability_exponential(hazard=h, mean_time=time) == pytest.approx(p, rel=1e-12)
    h = theory.complaint_hazard_deterministic(p=p, time=time)
    assert theory.complaint_probability_deterministic(hazard=h, time=time) == pytest.approx(p, rel=1e-12)


def test_a_surge_within_capacity_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity: got 300; must be above 417 and at most 1250"):
        theory.fluid_surge(base_rate=417, surge_rate=1250, duration=24, capacity=300)
