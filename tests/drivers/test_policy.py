"""The planned levers: what words, incidents, lessons, the bot and silence make of the demand, to the number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim.core.clock import DAY_MS, HOUR_MS, MINUTE_MS, NEVER
from sim.demand import expected_demand_of
from sim.demand.expected import ExpectedDemand
from sim.drivers.market import market_of
from sim.drivers.policy import Policy, alarms_of, complaint_factor, policy_of
from sim.experiment.calibration import hazards
from sim.numerics.rate_curve import Curve
from sim.scenario import Scenario, ScenarioFaults
from sim.scenario.schema.policy import EarlyWarning
from tests.support.stories import EXPONENTIAL, category, drawn, escalating, fixed, rich, story

H = HOUR_MS
WORDS = {"at": "10 h", "lag": "30 min", "reach": 0.8, "effect": 0.5}
SURGE_OF_TICKETS = {"at": "0 s", "length": "2 d", "tickets": 3.0}
CLOSED = {"at": "6 h", "length": "4 h", "deferred": 0.5, "catch_up": "2 h"}


def recipe(scenario: Scenario) -> ExpectedDemand:
    return expected_demand_of(scenario, market_of(scenario))


def policy(**changes: Any) -> Policy:
    return recipe(story(**changes)).policy


def expected(scenario: Scenario) -> list[float]:
    """Return the tickets of the first category that are expected by day."""
    found: list[float] = recipe(scenario).roots.expected[0].tolist()
    return found


def hourly(made: Policy, **shock: Any) -> np.ndarray[Any, Any]:
    """Return by hour what a policy makes of 6 ordinary tickets an hour of ``howto``, moved by a factor."""
    days = made.days
    edges = np.array([0, days * DAY_MS])
    ordinary, driven = Curve(edges, np.array([6.0])), Curve(edges, np.array([6.0 * shock.get("factor", 1.0)]))
    return made.tickets("howto", ordinary, driven).expected(HOUR_MS)


# --- announcements ----------------------------------------------------------------------------------------------


def test_half_of_those_reached_know_after_the_lag_and_the_effect_fades_by_its_half_life() -> None:
    factor = policy(announcements={"a": WORDS | {"half_life": "5 h"}}).contact_factor("howto")
    assert factor[: 10 * 60].tolist() == [1.0] * 600
    minutes = np.arange(600, len(factor)) + 0.5 - 600
    want = 1 - 0.4 * (1 - 0.5 ** (minutes / 30)) * 0.5 ** (minutes / 300)
    near = slice(0, 6 * 60)  # 12 lags: from there on the last 2^-12 count as nothing
    assert factor[600:][near] == pytest.approx(want[near], rel=1e-12)
    assert factor[600:] == pytest.approx(want, abs=2e-4)
    lasting = policy(announcements={"a": WORDS}).contact_factor("howto")
    assert lasting[-1] == pytest.approx(0.6)  # 40 % fewer
    twice = policy(announcements={"a": WORDS, "b": WORDS | {"at": "20 h"}}).contact_factor("howto")
    assert twice[-1] == pytest.approx(0.36)


def test_an_announcement_suppresses_what_an_incident_adds_and_nothing_else() -> None:
    made = policy(announcements={"a": WORDS | {"lag": "1 min"}})
    assert hourly(made, factor=3.0)[-1] == pytest.approx(6 + 0.6 * 12)
    assert hourly(made, factor=0.5)[-1] == pytest.approx(3)
    assert hourly(made)[-1] == pytest.approx(6)
    other = policy(announcements={"a": WORDS | {"categories": ["x"]}},
                   categories={"howto": category(), "x": category()})  # fmt: skip
    assert hourly(other, factor=3.0)[-1] == pytest.approx(18)


def test_an_announcement_without_an_incident_leaves_every_draw_as_it_was() -> None:
    quiet, loud = rich(), rich(announcements={"a": WORDS | {"login_spike": 5.0}})
    a, b = drawn(quiet), drawn(loud)
    for name in ("opened_ms", "category", "complaint_after_ms", "leg_handle_ms"):
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name
    assert recipe(quiet).logins.sum() < recipe(loud).logins.sum()


def test_logins_spike_when_it_is_made_and_halve_with_each_lag() -> None:
    made = policy(announcements={"a": WORDS | {"login_spike": 3.0}})
    spiked = made.requests("logins", np.full(2 * 1440, 10.0))
    assert spiked[599] == 10
    assert spiked[600] == pytest.approx(30, rel=0.01)
    assert spiked[630] == pytest.approx(20, rel=0.02)
    assert made.requests("withdrawals", np.full(2 * 1440, 10.0)).tolist() == [10.0] * 2880


def test_times_count_from_the_end_of_the_warm_up() -> None:
    factor = policy(announcements={"a": WORDS}, warmup_days=1).contact_factor("howto")
    assert np.flatnonzero(factor < 1)[0] == 24 * 60 + 600


def test_what_was_prevented_is_counted() -> None:
    shocks = {"x": SURGE_OF_TICKETS}
    made = recipe(story(shocks=shocks, announcements={"a": WORDS | {"at": "1 d", "lag": "1 s"}}))
    assert made.prevented[0] == pytest.approx([0, 24 * 12 * 0.4], rel=1e-3)
    assert recipe(story(shocks=shocks)).prevented.tolist() == [[0, 0]]


# --- incidents --------------------------------------------------------------------------------------------------


def test_an_incident_adds_contacts_of_its_categories_for_its_length_and_they_fade() -> None:
    incident = {"at": "6 h", "length": "4 h", "contacts": {"howto": 2.0}, "half_life": "1 h"}
    by_hour = hourly(policy(incidents={"i": incident}))
    assert by_hour[:10] == pytest.approx([6] * 6 + [18] * 4)
    tail = 12 / np.log(2) / 2  # of the first hour's mean, 12 x (1 - 1/2) / ln 2
    assert by_hour[10:13] == pytest.approx([6 + tail, 6 + tail / 2, 6 + tail / 4], rel=1e-4)
    assert hourly(policy(incidents={"i": incident | {"half_life": "0 s"}}))[10] == 6


def test_an_announced_incident_makes_fewer_contacts() -> None:
    incident = {"at": "12 h", "length": "4 h", "contacts": {"howto": 2.0}}
    told = policy(incidents={"i": incident}, announcements={"a": WORDS | {"at": "0 s", "lag": "1 min"}})
    assert hourly(told)[11:17] == pytest.approx([6, 13.2, 13.2, 13.2, 13.2, 6])


def test_what_is_closed_is_made_up_for_afterwards() -> None:
    made = policy(incidents={"i": CLOSED | {"closes": ["withdrawals"]}})
    minutes = made.requests("withdrawals", np.full(2 * 1440, 10.0))
    assert not minutes[6 * 60 : 10 * 60].any()
    assert minutes[: 6 * 60].tolist() == [10.0] * 360
    deferred = 0.5 * 2400
    assert minutes[10 * 60 : 12 * 60].sum() == pytest.approx(1200 + deferred / 2)
    assert minutes.sum() == pytest.approx(28_800 - 2400 + deferred * (1 - 2**-12))
    assert made.requests("logins", np.ones(2880)).tolist() == [1.0] * 2880


def test_tickets_that_cannot_be_opened_come_later() -> None:
    shut = CLOSED | {"closes": ["tickets"], "deferred": 1.0}
    by_hour = hourly(policy(incidents={"i": shut}))
    assert by_hour[6:10].tolist() == [0.0] * 4
    assert by_hour[10] > by_hour[11] > 6
    assert by_hour.sum() == pytest.approx(6 * 48, rel=1e-3)


def test_work_that_no_customer_asks_for_follows_no_lever() -> None:
    categories = {"howto": category(), "rounds": category(task=True)}
    lesson = {"at": "0 s", "reduction": {"rounds": 0.5}}
    made = recipe(story(categories=categories, education=lesson, incidents={"i": CLOSED | {"closes": ["tickets"]}}))
    plain = recipe(story(categories=categories))
    assert made.roots.expected[1].tolist() == plain.roots.expected[1].tolist() == [144, 144]
    assert made.roots.expected[0, 0] < 144


def test_other_days_keep_their_numbers_to_the_last_bit() -> None:
    incident = {"at": "30 h", "length": "4 h", "contacts": {"howto": 2.0}}
    calm, shaken = drawn(rich(days=4)), drawn(rich(days=4, incidents={"i": incident}))
    for made in (calm, shaken):
        assert made.categories == calm.categories
    roots = [d.opened_ms[(d.opened_ms < NEVER) & (d.kind == 0)] for d in (calm, shaken)]
    third = [opened[opened // DAY_MS == 3] for opened in roots]
    second = [opened[opened // DAY_MS == 2] for opened in roots]
    assert third[0].tobytes() == third[1].tobytes()
    assert len(second[1]) > len(second[0])


# --- education and the bot --------------------------------------------------------------------------------------


def test_education_rises_in_a_straight_line_and_stays() -> None:
    lesson = {"at": "1 d", "ramp": "1 d", "reduction": {"howto": 0.5}}
    assert expected(story(days=4, education=lesson)) == pytest.approx([144, 144 * 0.75, 72, 72])
    assert expected(story(days=2, education=lesson | {"ramp": "0 s"})) == pytest.approx([144, 72])
    assert expected(story(days=2, education=lesson | {"at": "0 s", "ramp": "0 s"})) == pytest.approx([72, 72])


def test_education_leaves_other_categories_alone() -> None:
    categories = {"howto": category(), "x": category()}
    made = recipe(story(categories=categories, education={"at": "0 s", "reduction": {"x": 1.0}}))
    assert made.roots.expected.tolist() == [[144, 144], [0, 0]]


def test_the_bot_s_share_is_involvement_times_resolution_however_it_is_written() -> None:
    whole = rich(categories={"howto": category(bot_resolve=0.4), "payout": escalating()})
    split = {"bot_involvement": 0.8, "bot_resolution": 0.5}
    parts = rich(categories={"howto": category(**split), "payout": escalating()})
    assert recipe(parts).roots.bot.tolist() == [[0.4] * 4, [0.0] * 4]
    assert drawn(whole).opened_ms.tobytes() == drawn(parts).opened_ms.tobytes()


def test_a_release_changes_the_bot_from_its_day_on_and_no_ticket_is_drawn_anew() -> None:
    bot = {"handle": fixed("2 min")}
    categories = {"howto": category(20.0, bot_resolve=0.8)}
    release = {"at": "1 d", "length": "1 d", "resolution": 0.75}
    good, bad = (story(days=3, bot=bot, categories=categories, bot_releases=each) for each in ({}, {"r": release}))
    assert recipe(bad).roots.bot[0] == pytest.approx([0.8, 0.6, 0.8])
    a, b = drawn(good), drawn(bad)
    everybody = [np.sort(np.concatenate([d.opened_ms[d.kind == 0], *d.bot_opened_ms])) for d in (a, b)]
    assert everybody[0].tobytes() == everybody[1].tobytes()
    moved = set(b.opened_ms.tolist()) - set(a.opened_ms.tolist())
    assert {at // DAY_MS for at in moved} == {1}
    better = story(bot=bot, categories=categories, bot_releases={"r": {"at": "0 s", "resolution": 9.0}})
    assert recipe(better).roots.bot.tolist() == [[1.0, 1.0]]
    off = story(bot=bot, categories=categories, bot_releases={"r": {"at": "0 s", "involvement": 0.0}})
    assert recipe(off).roots.bot.tolist() == [[0.0, 0.0]]


# --- silence and status messages --------------------------------------------------------------------------------

SILENCE = {"strategic": 1.5, "legal": 2.0}


def silent(policy_now: str | None, calibrated: str = "reply", **more: Any) -> Scenario:
    one = category(complaint_hazard_per_hour=0.01, reply_policy=policy_now, reply_policy_calibrated=calibrated)
    return story(categories={"howto": one}, silence=SILENCE, complaints={"clock": "opening"}, **more)


@pytest.mark.parametrize(("now", "calibrated", "factor"), [
    (None, "reply", 1.0), (None, "legal_silence", 1.0), ("legal_silence", "legal_silence", 1.0),
    ("strategic_silence", "reply", 1.5), ("legal_silence", "reply", 2.0), ("reply", "legal_silence", 0.5),
    ("strategic_silence", "legal_silence", 0.75),
])  # fmt: skip
def test_silence_acts_as_against_the_policy_of_the_calibration(now: str, calibrated: str, factor: float) -> None:
    assert complaint_factor(silent(now, calibrated), "howto") == factor
    same, other = drawn(silent(None, calibrated)), drawn(silent(now, calibrated))
    assert other.complaint_after_ms == pytest.approx(same.complaint_after_ms / factor, abs=1)


def test_status_messages_calm_those_who_wait() -> None:
    status = {"recontact": 0.5, "late_tickets": 0.6, "complaint_hazard": 0.8}
    before, after = rich(days=20), rich(days=20, status_messages=status)
    a, b = drawn(before), drawn(after)
    assert (b.chase >= 0).mean() / (a.chase >= 0).mean() == pytest.approx(0.5, rel=0.15)
    known = (a.kind == 0).sum()
    mine, calmer = a.complaint_after_ms[:known], b.complaint_after_ms[:known]
    assert calmer == pytest.approx(mine / 0.8, abs=2)
    made = recipe(after).policy
    assert set(made.late_contact_factor("payout").tolist()) == {0.6}
    assert set(made.contact_factor("payout").tolist()) == {1.0}


def test_hazards_are_set_for_the_scenario_as_its_words_leave_it() -> None:
    one = category(40.0, p_public_if_unresolved=0.2, complaint_hazard_per_hour=0.0)
    steps = {"front": {"queue": "inbox", "handle": EXPONENTIAL, "solved": 0.5},
             "back": {"queue": "inbox", "handle": EXPONENTIAL}}  # fmt: skip
    plain = story(
        days=4, categories={"howto": one | {"steps": steps}}, teams={"front": {"serves": ["inbox"], "agents": 9}}
    )
    calm = plain.model_copy(
        update={"status_messages": story(status_messages={"complaint_hazard": 0.8}).status_messages}
    )
    found = [hazards(scenario, replications=2, seed=1)["howto"] for scenario in (plain, calm)]
    assert found[1] == pytest.approx(found[0] / 0.8)


# --- early warnings ---------------------------------------------------------------------------------------------


def warning(**keys: Any) -> EarlyWarning:
    return EarlyWarning.model_validate({"window": "2 h", "rest": "24 h"} | keys)


def test_a_fall_over_the_window_raises_an_alarm_once_it_is_complete() -> None:
    price = np.array([1.0, 1.0, 0.98, 0.95, 0.93, 0.93, 0.93])
    assert alarms_of(warning(price_fall=0.05), price, None) == (3 * H,)  # 0.95 of 1.0, as hour 3 begins
    assert alarms_of(warning(price_fall=0.05, lead="90 min"), price, None) == (3 * H - 90 * MINUTE_MS,)
    assert alarms_of(warning(price_fall=0.05, lead="9 h"), price, None) == (0,)
    assert alarms_of(warning(price_fall=0.2), price, None) == ()
    assert alarms_of(warning(price_fall=0.05, rest="1 h"), price, None) == (3 * H, 4 * H)


def test_a_volatility_that_crosses_raises_an_alarm_as_its_hour_begins() -> None:
    volatility = np.array([1.0, 1.0, 2.5, 3.0, 1.0])
    assert alarms_of(warning(volatility_ratio=2.0), np.ones(5), volatility) == (2 * H,)
    assert alarms_of(warning(volatility_ratio=9.0, price_fall=0.1), np.ones(5), volatility) == ()


def test_a_warning_makes_its_announcements_after_its_delay() -> None:
    crash = {"x": {"at": "12 h", "length": "10 h", "price_change": -0.2}}
    words = {k: v for k, v in WORDS.items() if k != "at"}
    alarm = {"price_fall": 0.1, "window": "12 h", "rest": "7 d", "delay": "30 min", "announce": ["a"]}
    made = policy(shocks=crash, announcements={"a": words}, early_warnings={"w": alarm})
    assert made.alarms == {"w": (17 * H,)}  # 10 % are lost as hour 17 begins
    assert np.flatnonzero(made.contact_factor("howto") < 1)[0] == 17 * 60 + 30


def test_a_warning_of_volatility_needs_prices_that_move() -> None:
    alarm = {"volatility_ratio": 2.0, "window": "12 h", "rest": "7 d"}
    with pytest.raises(
        ScenarioFaults, match=r"early_warnings\.w\.volatility_ratio: got 2, and no volatility; must be given"
    ):
        policy_of(story(early_warnings={"w": alarm}), np.ones(48), None)


# --- what may be said -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("changes", "words"), [
    ({"announcements": {"a": {k: v for k, v in WORDS.items() if k != "at"}}}, "announcements.a.at: got nothing"),
    ({"announcements": {"a": WORDS | {"categories": ["hwto"]}}}, "must be a category: howto; did you mean howto?"),
    ({"announcements": {"a": WORDS | {"reach": 1.2}}}, "announcements.a.reach: got 1.2; must be a share from 0 to 1"),
    ({"education": {"at": "0 s", "reduction": {"x": 0.1}}}, "education.reduction.x: got"),
    ({"incidents": {"i": {"at": "0 s", "length": "1 h", "contacts": {"x": 1.0}}}}, "incidents.i.contacts.x: got"),
    ({"incidents": {"i": {"at": "0 s", "length": "1 h", "closes": ["tickets"]}}}, "incidents.i.catch_up: got nothing"),
    ({"bot_releases": {"r": {"at": "36 h"}}}, 'bot_releases.r.at: got "36 h"; must be whole days, such as "2 d"'),
    ({"categories": {"howto": category(bot_involvement=0.5)}}, "categories.howto.bot_resolution: got nothing"),
    ({"bot": {"handle": fixed("1 min")},
      "categories": {"howto": category(bot_involvement=0.5, bot_resolution=0.5, bot_resolve=0.3)}},
     "categories.howto.bot_resolve: got 0.3; must be absent, or bot_involvement x bot_resolution (0.25)"),
    ({"categories": {"howto": category(reply_policy="legal_silence")}}, "categories.howto.reply_policy: got"),
    ({"early_warnings": {"w": {"window": "1 h", "rest": "1 h"}}}, "early_warnings.w: got neither"),
    ({"early_warnings": {"w": {"window": "90 min", "rest": "1 h", "price_fall": 0.1}}}, "must be whole hours"),
    ({"early_warnings": {"w": {"window": "1 h", "rest": "1 h", "price_fall": 0.1, "announce": ["b"]}}},
     'early_warnings.w.announce.0: got "b"; must be an announcement'),
    ({"surges": {"s": {"team": "frnt", "agents": 1, "at": "0 s", "length": "1 h", "cost_per_hour": 1.0}}},
     'surges.s.team: got "frnt"; must be a team: front'),
    ({"surges": {"s": {"team": "front", "agents": 1, "length": "1 h", "cost_per_hour": 1.0}}},
     "surges.s.at: got nothing"),
    ({"hires": {"h": {"team": "front", "agents": {"day": 1}, "at": "0 s"}}}, 'hires.h.agents.day: got "day"'),
    ({"attrition": {"quits_per_year": 0.5, "quits_per_year_at_1": 0.4, "knee": 0.8}},
     "attrition.quits_per_year_at_1: got 0.4; must not be below quits_per_year"),
])  # fmt: skip
def test_what_cannot_be_is_told_in_a_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioFaults) as caught:
        story(**changes)
    assert words in "\n".join(caught.value.faults)
