"""The pictures: what they say agrees with the data, nothing is clipped or overlaps, nothing absent is drawn."""

from __future__ import annotations

import re
import subprocess
import sys
import weakref
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from sim.core.at_least import AtLeast
from sim.experiment.analysis.estimate import Estimates, estimate
from sim.experiment.analysis.words import futures, typical
from sim.output.plots import NAMES, figures, overview, save
from sim.output.plots.public import parts as public_parts
from sim.output.plots.style import RED
from sim.output.presentation.findings import backlog, drained, endpoints, staffing, waits
from sim.output.presentation.view import View, band, coarse, shortened, wrapped
from tests.support.run_factory import hourly, metrics, scenario, values

LAID_OUT: weakref.WeakSet[Figure] = weakref.WeakSet()


def draw(table: dict[tuple[str, str], np.ndarray], *, shock: bool = True, **changed: float | None) -> dict[str, Figure]:
    replications = len(next(iter(table.values())))
    teams = [entity.removeprefix("team:") for entity, name in table if name == "agents_needed"]
    return figures(hourly(table), metrics(replications, teams, **changed), scenario(shock=shock))


@pytest.fixture(scope="module")
def spike() -> dict[str, Figure]:
    return draw(values(24 * 10))


def texts(figure: Figure) -> list[Text]:
    """Return the visible, non-empty texts, laid out once so that they have a place."""
    if figure not in LAID_OUT:
        figure.draw_without_rendering()
        LAID_OUT.add(figure)
    found = [one for one in figure.findobj(Text) if one.get_visible() and one.get_text().strip()]
    ticks = {id(label) for axis in figure.axes for label in _labels_out_of_sight(axis)}
    return [one for one in found if id(one) not in ticks]


def _labels_out_of_sight(axis) -> list[Text]:
    """Return tick labels beyond the limits: matplotlib keeps them, and does not draw them."""
    out = []
    for which, limits in ((axis.xaxis, axis.get_xlim()), (axis.yaxis, axis.get_ylim())):
        low, high = sorted(limits)
        shown = set(map(id, which._update_ticks()))
        for tick in (*which.get_major_ticks(), *which.get_minor_ticks()):
            if id(tick) not in shown or not low <= tick.get_loc() <= high:
                out += [tick.label1, tick.label2]
    return out


def words(figure: Figure) -> str:
    return " | ".join(" ".join(one.get_text().split()) for one in texts(figure))


def assert_readable(figure: Figure) -> None:
    """Every text lies within the page, and no two meet."""
    boxes = [(one.get_text(), one.get_window_extent()) for one in texts(figure)]
    page = figure.bbox
    for text, box in boxes:
        assert page.x0 <= box.x0 < box.x1 <= page.x1, f"clipped: {text!r}"
        assert page.y0 <= box.y0 < box.y1 <= page.y1, f"clipped: {text!r}"
    for (one, a), (other, b) in combinations(boxes, 2):
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert wide < 1 or high < 2, f"{one!r} meets {other!r}"


def test_all_figures_are_drawn(spike: dict[str, Figure]) -> None:
    assert sorted(spike) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_clipped_or_overlaps(spike: dict[str, Figure], name: str) -> None:
    assert_readable(spike[name])


@pytest.mark.parametrize("name", [name for name in NAMES if name != "overview"])
def test_each_vertical_axis_has_a_unit_and_time_is_in_utc(spike: dict[str, Figure], name: str) -> None:
    labels = [axis.get_ylabel() for axis in spike[name].axes]
    assert all(
        any(
            unit in label
            for unit in (
                "tickets",
                "complaints",
                "agents",
                "requests/s",
                "units",
                "posts",
                "%",
                "dollars",
                "depositors",
                "withdrawals",
            )
        )
        for label in labels
    )
    assert "UTC" in words(spike[name])


def test_each_panel_of_the_overview_has_a_unit(spike: dict[str, Figure]) -> None:
    for axis in spike["overview"].axes:
        unit = axis.get_ylabel() or axis.get_xlabel()
        assert any(each in unit for each in ("tickets", "complaints", "%", "requests/s")), axis.get_title(loc="left")


@pytest.mark.parametrize("name", NAMES)
def test_bands_say_what_they_are(spike: dict[str, Figure], name: str) -> None:
    said = words(spike[name])
    assert "5–95 %" in said
    assert "5 replications" in said


def test_one_replication_has_no_band_and_says_so() -> None:
    for figure in draw(values(24 * 4, 1)).values():
        said = words(figure)
        assert "5–95 %" not in said
        assert re.search(r"[Oo]ne replication", said)
        assert "±" not in said
        assert_readable(figure)


def test_the_backlog_title_states_peak_and_day_and_who_drains_last(spike: dict[str, Figure]) -> None:
    # The peak is in hour 60 after 12 January, 00:00.
    title = " ".join(spike["backlog"].get_suptitle().split())
    assert title == (
        "Waiting tickets peak at typically 1,000, in most of 5 months 982 to 1,020, on 14 January; compliance takes "
        "longest to drain: typically 3 days, in most of 5 months 2.95 to 3.05 days"
    )


def test_a_team_still_full_at_the_end_is_said_so() -> None:
    numbers = metrics() | {"drain_days.front": estimate("drain_days", [AtLeast(7.0)] * 5)}
    view = View(hourly(values(24 * 10)), numbers, scenario())
    assert backlog(view).endswith("; front has not drained by the end")


def test_whatever_tells_of_draining_tells_the_metric() -> None:
    """Title, page and report have the numbers of drain_days, whatever the series look like."""
    numbers = metrics(drain_days=5.5, drain_days__compliance=7.25)
    for table in (values(24 * 10), {key: one * ("backlog" not in key[1]) for key, one in values(24 * 10).items()}):
        view = View(hourly(table), numbers, scenario())
        assert backlog(view).endswith(
            f"compliance takes longest to drain: {futures(numbers['drain_days.compliance'], 'months')}"
        )
        assert drained(view) == f"The backlog drains from its peak in {futures(numbers['drain_days'], 'months')}"
        unasked = scenario().model_copy(update={"question": "", "answers": []})
        assert typical(numbers["drain_days"]) in words(overview(hourly(table), numbers, unasked))
    assert "5.5 days" in words(overview(hourly(table), numbers, scenario()))  # the answer, told once


def test_peaks_on_several_days_are_a_span() -> None:
    table = values(24 * 10)
    table["all", "n_backlog_waiting"][0, 200] = 5000
    view = View(hourly(table), metrics(drain_days__front=0.0, drain_days__compliance=None), scenario(shock=False))
    assert backlog(view).endswith("982 to 1,020, between 14 and 20 January")


def test_the_complaints_title_states_total_and_reducible(spike: dict[str, Figure]) -> None:
    title = " ".join(spike["complaints"].get_suptitle().split())
    assert title.startswith("Public complaints a day: typically 55, in most of 5 months 54.0 to 56.0; ")
    assert title.endswith("27 % of them come from waiting for agents")


def test_complaint_bars_add_up_to_the_days_numbers(spike: dict[str, Figure]) -> None:
    total, without, background, _ = (
        patch for patch in spike["complaints"].axes[0].patches if hasattr(patch, "get_data")
    )
    assert total.get_data().values == pytest.approx(24 * 2.1)
    assert without.get_data().values == pytest.approx(24 * 1.6)
    assert background.get_data().values == pytest.approx(24 * 0.1)  # of 0.2 posts an hour, 0.1 are a campaign's


def test_the_waits_title_names_the_queue_and_the_share_of_hours() -> None:
    view = View(hourly(values(24 * 10)), metrics(), scenario())
    assert waits(view) == "First response: the median wait in chat is over its target in 20 % of the hours"
    calm = metrics(wait_over_target_share__chat=0.0, wait_over_target_share__inbox=0.0)
    assert "meets its target in every hour" in waits(View(hourly(values(24 * 10)), calm, scenario()))


def test_unknown_waits_are_drawn_as_gaps() -> None:
    table = values(24 * 2)
    table["queue:chat", "wait_p50_min"][:] = 2.0
    table["queue:chat", "wait_p50_min"][:, 24:] = np.nan
    table["queue:chat", "wait_p50_min"][0, 30] = 0.5
    figure = figures(hourly(table), metrics(), scenario())["waits"]
    median = next(line for line in figure.axes[0].lines if line.get_linestyle() == "-")
    assert np.isnan(np.asarray(median.get_ydata())[24:]).all()
    assert "No ticket" in words(figure)


def test_waits_beyond_the_end_are_over_the_target_once_it_has_passed_and_are_drawn_as_such() -> None:
    """A day of 2 minutes each hour, then a day of which nobody is answered: the target of an hour passes before the end
    for all but the last hour."""
    table = values(24 * 2)
    table["queue:chat", "target_min"][:] = 60.0
    table["queue:chat", "wait_p50_min"][:] = 2.0
    table["queue:chat", "wait_p50_min"][:, 24:] = np.inf
    figure = figures(hourly(table), metrics(), scenario())["waits"]
    median = next(line for line in figure.axes[0].lines if line.get_linestyle() == "-")
    assert np.isinf(np.asarray(median.get_ydata())[24:]).all()
    reds = [patch for patch in figure.axes[0].patches if to_hex(patch.get_facecolor()).upper() == RED]
    (one,) = [patch for patch in reds if patch.get_alpha() == 0.25]
    left, right = one.get_x(), one.get_x() + one.get_width()
    assert (right - left) * 24 == pytest.approx(24)
    assert "red: fewer than half answered" in words(figure)


def test_the_staffing_title_names_team_day_and_load(spike: dict[str, Figure]) -> None:
    said = "front: on 14 January its offered load is 120 % of the agents on duty"
    assert said in " ".join(spike["staffing"].get_suptitle().split())


def test_work_without_anybody_on_duty_is_said() -> None:
    table = values(24 * 3)
    table["team:front", "agents_on_duty"][:] = 0
    alone = metrics(load_share__front=None, load_peak_day__front=None)
    view = View(hourly(table), alone, scenario())
    assert staffing(view) == "Staff falls short most at front: on 12 January there is work and no agent on duty"
    assert_readable(overview(hourly(table), alone, scenario()))


def test_enough_staff_is_said_too() -> None:
    enough = metrics(load_peak_day__front=0.5)
    said = staffing(View(hourly(values(24 * 3)), enough, scenario()))
    assert said.startswith("On every day as a whole each team has more agents than work; the tightest is compliance")


def test_the_endpoints_title_states_the_rate_to_test_with(spike: dict[str, Figure]) -> None:
    said = " ".join(spike["endpoints"].get_suptitle().split())
    test = "test with 310, which 95 % of the replications stay below"
    assert said == f"The busiest minute brings typically 300, in most of 5 months 295 to 305 requests/s; {test}"
    assert "withdrawals: busiest minute 9 requests/s; test with 9.2" in words(spike["endpoints"])
    assert all(axis.get_yscale() == "log" for axis in spike["endpoints"].axes)


def test_shocks_are_named_and_where_there_are_none_nothing_is(spike: dict[str, Figure]) -> None:
    assert "crash (price −25 %)" in words(spike["backlog"])
    assert "crash" not in words(draw(values(24 * 3), shock=False)["backlog"])


def test_many_shocks_keep_their_names_apart() -> None:
    crash = scenario().shocks["crash"]
    many = {f"a rather long name {n}": crash.model_copy(update={"at": n * 18 * 3_600_000}) for n in range(12)}
    story = scenario().model_copy(update={"shocks": many})
    for figure in figures(hourly(values(24 * 10)), metrics(), story).values():
        assert_readable(figure)


@pytest.mark.parametrize(
    ("missing", "absent"),
    [
        (("endpoint:", "rate_per_s"), "endpoints"),
        (("queue:", "wait_"), "waits"),
        (("all", "new_complaints"), "complaints"),
    ],
)
def test_no_figure_without_its_series(missing: tuple[str, str], absent: str) -> None:
    kind, name = missing
    table = {key: rows for key, rows in values(48).items() if not (key[0].startswith(kind) and key[1].startswith(name))}
    if absent == "complaints":
        table["all", "new_posts"][:] = 0
    drawn = draw(table)
    assert absent not in drawn
    assert len(drawn["overview"].axes) == 5
    assert_readable(drawn["overview"])


def test_endpoints_without_a_request_have_no_panel() -> None:
    table = values(48)
    for name in ("rate_per_s", "peak_per_s"):
        table["endpoint:withdrawal", name][:] = 0
    drawn = draw(table)
    assert len(drawn["endpoints"].axes) == 4
    assert "withdrawals:" not in words(drawn["endpoints"])


def test_a_queue_without_a_target_says_so() -> None:
    table = {key: rows for key, rows in values(48).items() if key[1] != "target_min"}
    drawn = draw(table)
    assert "chat: no target" in words(drawn["waits"])
    assert_readable(drawn["overview"])


@pytest.mark.parametrize(("days", "replications"), [(1, 3), (8, 2), (400, 2)])
def test_short_and_long_runs_of_one_team_stay_readable_and_small(days: int, replications: int, tmp_path: Path) -> None:
    drawn = draw(values(24 * days, replications, teams=["front"]))
    assert len(drawn["backlog"].axes) == 1
    for figure in drawn.values():
        assert_readable(figure)
    for path in save(drawn, tmp_path) if days == 400 else []:  # the shorter have less in them
        assert path.stat().st_size < (300_000 if path.suffix == ".svg" else 900_000)


def test_nine_noisy_teams_over_five_weeks_stay_readable_and_small(tmp_path: Path) -> None:
    names = ["front", "trading", "finance", "security", "compliance", "vip", "supervisor", "night_watch", "escalation"]
    table = values(24 * 35, 4, teams=names)
    noise = np.random.default_rng(1)
    table = {key: rows * noise.uniform(0.8, 1.2, rows.shape) for key, rows in table.items()}
    drawn = draw(table)
    for figure in drawn.values():
        assert_readable(figure)
    sizes = {path.name: path.stat().st_size for path in save(drawn, tmp_path)}
    assert len(sizes) == 2 * len(NAMES)
    assert max(size for name, size in sizes.items() if name.endswith(".svg")) < 300_000, sizes


def test_the_same_run_gives_the_same_bytes_and_the_svg_keeps_its_text(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        drawn = draw(values(48, 2))
        save({"backlog": drawn["backlog"], "waits": drawn["waits"]}, tmp_path / folder)
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name
    assert "Waiting tickets peak at" in (tmp_path / "a" / "backlog.svg").read_text(encoding="utf-8")


def test_matplotlib_is_imported_only_when_something_is_drawn_and_never_pyplot() -> None:
    code = (
        "import sys, sim.output.plots, sim.output.report\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import sim.output.plots.page, sim.output.plots.files\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], timeout=60)


def test_pictures_read_what_they_show_and_hold_a_few_series_at_once() -> None:
    table, read, held = values(48), [], []
    most = 0

    def fetch(entity: str, name: str, _: object) -> np.ndarray:
        nonlocal most
        read.append((entity, name))
        rows = table[entity, name].copy()
        held.append(weakref.ref(rows))
        most = max(most, sum(one() is not None for one in held))
        return rows

    run = replace(hourly(table), fetch=fetch)
    view = View(run, metrics(), scenario())
    assert view.entities("team", "n_backlog") == ["front", "compliance"]
    assert read == []
    assert staffing(view)
    assert {name for _, name in read} == {"agents_needed", "agents_on_duty"}
    del view
    figures(run, metrics(), scenario())
    drawn = {key for key in table if key[0] == "all" or key[1] != "n_backlog"} - {("all", "price_index")}
    assert set(read) == drawn
    assert most <= 4 < len(table)


def test_spans_keep_known_values_and_peaks() -> None:
    rows = np.array([[1.0, 3.0, np.nan, np.nan, 8.0]])
    assert coarse(rows, 2)[0] == pytest.approx([2, np.nan, 8], nan_ok=True)
    assert coarse(rows, 2, "max")[0] == pytest.approx([3, np.nan, 8], nan_ok=True)
    assert coarse(rows, 2, "sum")[0] == pytest.approx([4, np.nan, 8], nan_ok=True)
    assert coarse(np.array([[1.0, 9.0, 2.0]]), 3, "median")[0] == pytest.approx([2])


def test_a_band_is_the_5_and_95_percent_quantile_and_a_gap_where_half_is_unknown() -> None:
    rows = np.column_stack([np.arange(21.0), np.where(np.arange(21) < 11, np.nan, 1.0)])
    drawn = band(rows)
    assert (drawn.low[0], drawn.middle[0], drawn.high[0]) == pytest.approx((1, 10, 19))
    assert np.isnan([drawn.low[1], drawn.middle[1], drawn.high[1]]).all()
    one_unknown = np.column_stack([np.arange(22.0), np.append(np.arange(21.0), np.nan)])
    drawn = band(one_unknown)
    assert (drawn.low[1], drawn.middle[1], drawn.high[1]) == pytest.approx((1, 10, 19))
    assert band(rows[:1]).low is None


def test_lines_are_never_broken_within_a_number() -> None:
    for width in range(12, 40):
        for line in wrapped("It peaks at 12,000 to 13,000 tickets, 48 % of all", width).splitlines():
            assert not line.startswith(("to", "%"))
            assert not line.endswith("to")
    assert shortened("one two three four", 8, 1) == "one tw …"


def test_every_number_in_a_picture_is_a_metric_and_none_is_worked_out_from_what_is_drawn() -> None:
    """The fault: "longest 6 s", of smoothed data, where hourly medians reach 445 min.

    Series that are all 1.7 times as high, with the same metrics, draw other lines and write the same texts.
    """
    table = values(24 * 10)
    other = {key: rows * (1 if key[1] == "target_min" else 1.7) for key, rows in table.items()}
    drawn, redrawn = draw(table), draw(other)
    for name, figure in drawn.items():
        assert _written(figure) == _written(redrawn[name]), name
    changed = draw(table, wait_median_peak__chat=445.0, load_peak_day__front=9.0, tickets_peak_hour=7_777.0)
    assert "longest 7.4 h" in _written(changed["overview"])
    assert "worst day 900 %" in _written(changed["overview"])
    assert "7,780" in _written(changed["overview"])


def _written(figure: Figure) -> str:
    """Return what is written, but for the axes' numbers."""
    ticks = {id(label) for axis in figure.axes for label in (*axis.get_xticklabels(), *axis.get_yticklabels())}
    minor = {
        id(label)
        for axis in figure.axes
        for label in (*axis.get_xticklabels(minor=True), *axis.get_yticklabels(minor=True))
    }
    return " | ".join(" ".join(one.get_text().split()) for one in texts(figure) if id(one) not in ticks | minor)


def test_a_run_of_two_kinds_draws_both_and_no_line_between_them() -> None:
    """The fault: one line at the middle of futures in which nothing happens and futures in which all leave."""
    table = values(24 * 4, 20)
    table["all", "n_backlog_waiting"][:] = np.where(np.arange(20) < 10, 10.0, 1000.0)[:, None]
    numbers = Estimates(metrics(20))
    numbers.second_kind = tuple(range(10, 20))
    figure = figures(hourly(table), numbers, scenario())["backlog"]
    heights = {round(float(np.nanmax(np.asarray(line.get_ydata())))) for line in figure.axes[0].lines}
    assert {10, 1000} <= heights
    assert not [one for one in heights if 10 < one < 1000]
    assert "each kind of future" in words(figure)


def test_no_requests_no_title_about_them() -> None:
    view = View(hourly(values(24)), metrics(requests_peak_per_s=None), scenario())
    assert endpoints(view) == "No requests were recorded"


def test_the_money_title_names_the_lowest_wallet_and_what_is_refused(spike: dict[str, Figure]) -> None:
    title = " ".join(spike["money"].get_suptitle().split())
    assert title == (
        "Paid out a day: typically 75 million, in most of 5 months 73.6 to 76.3 million US dollars; the hot wallet of "
        "USDT falls to 30 % of its target; 5 % of the requests to withdraw fail; limits refuse 120 a day"
    )
    empty = draw(values(24 * 4), wallet_low_share__BTC=0.0)["money"]
    assert "the hot wallet of BTC runs empty" in " ".join(empty.get_suptitle().split())


def test_the_parts_of_what_is_posted_add_up(spike: dict[str, Figure]) -> None:
    view = View(hourly(values(24 * 10)), metrics(), scenario())
    found = public_parts(view)
    assert sum(found.values()) == pytest.approx(24 * (2.0 + 0.2 + 0.7))
    assert found["without_waits"] == pytest.approx(24 * 1.5)
    assert found["background"] == pytest.approx(24 * 0.1)
    outlines = [patch.get_data().values for patch in spike["public"].axes[0].patches if hasattr(patch, "get_data")]
    assert outlines[-1] == pytest.approx(24 * 2.9)


def test_what_is_flagged_is_drawn_against_what_customers_complained(spike: dict[str, Figure]) -> None:
    axis = spike["public"].axes[1]
    said = "Taken for complaints: 65 posts a day; 95 % of them are complaints"
    assert axis.get_title(loc="left") == said
    rightly, wrongly = (patch.get_data() for patch in axis.patches if hasattr(patch, "get_data"))
    assert rightly.values == pytest.approx(0.9 * 24 * (2.0 + 0.1))
    # What a campaign posts, 0.1 an hour, and copies, 0.7, read like complaints and are none.
    assert wrongly.values - wrongly.baseline == pytest.approx(0.9 * 24 * 0.8 + 0.05 * 40)


def test_without_money_or_a_public_neither_is_drawn() -> None:
    table = {key: rows for key, rows in values(24 * 4).items() if key[1] != "outflow_usd"}
    silent = scenario().model_copy(update={"copies": None, "listening": None})
    drawn = figures(hourly(table), metrics(5), silent)
    assert "money" not in drawn
    assert "public" not in drawn
