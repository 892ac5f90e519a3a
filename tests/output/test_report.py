"""The report: one well-formed page that needs nothing else, and whose numbers are those of the metrics."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sim.core.at_least import AtLeast
from sim.experiment.analysis.estimate import estimate
from sim.experiment.analysis.expectations import Expectation, judge
from sim.output.plots import NAMES, figures, save
from sim.output.report import __file__ as report_file
from sim.output.report import report_html
from sim.output.report.loadtest import all_in_words
from sim.scenario.labels import label_of
from sim.scenario.reference.provenance import Provenance
from tests.support.run_factory import Estimated, hourly, metrics, scenario, values

_VOID = {"meta", "img", "br", "hr", "link", "input"}
_INFO = {
    "name": "volatility_spike",
    "source": "volatility_spike",
    "sets": ["teams.front.agents.day=50"],
    "seed": 7,
    "replications": 5,
    "engine": "simpy",
    "scenario_sha256": "ab" * 32,
    "commit": "0123abcd",
    "started_utc": "2026-01-01T00:00:00Z",
    "versions": {"python": "3.11.7", "simpy": "4.1.1"},
    "notes": ["3 hours of candles are missing."],
}


class Page(HTMLParser):
    """Checks that tags close in order, and keeps the addresses, pictures and text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.alts: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        self.alts += [value or "" for name, value in attrs if name == "alt"]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def plots(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    drawn = figures(hourly(values(24 * 4)), metrics(), scenario())
    return save(drawn, tmp_path_factory.mktemp("plots"))


def report(plots: list[Path], **changed: Any) -> str:
    story = changed.pop("scenario", scenario())
    numbers = changed.pop("metrics", metrics())
    given: dict[str, Any] = {
        "run_info": _INFO,
        "scenario": story,
        "hourly": hourly(values(24 * 4, numbers["backlog_peak"].replications)),
        "metrics": numbers,
        "plots": plots,
        "expectations": judge({"backlog_peak": "> 1000", "drain_days": "< 2"}, Estimated(numbers)),
    }
    return report_html(**(given | changed))


@pytest.fixture(scope="module")
def html(plots: list[Path]) -> str:
    return report(plots)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_page_is_well_formed_small_and_needs_nothing_else(html: str, page: Page) -> None:
    assert html.startswith("<!DOCTYPE html>")
    assert len(html.encode()) < 1_000_000, "it must be fit for e-mail"
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert len(page.addresses) == 8
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert not re.search(r"url\(|@import", html)


def test_every_picture_is_whole_and_says_in_words_what_it_finds(page: Page, plots: list[Path]) -> None:
    svgs = {path.read_bytes() for path in plots if path.suffix == ".svg"}
    shapes = {_shape(path.read_bytes()) for path in plots if path.suffix == ".png"}
    for address in page.addresses:
        picture = base64.b64decode(address.partition("base64,")[2])
        assert picture in svgs or _shape(picture) in shapes
    assert any(alt.startswith("Waiting tickets peak at typically 1,000") for alt in page.alts)
    assert all(len(alt) > 10 for alt in page.alts)


def _shape(png: bytes) -> float:
    """Return a picture's width over its height, to a hundredth."""
    picture = Image.open(io.BytesIO(png))
    picture.load()
    return round(picture.width / picture.height, 2)


def test_every_figure_has_its_place_on_the_page() -> None:
    template = (Path(report_file).parent / "page.html.j2").read_text("utf-8")
    missing = [name for name in NAMES if f"picture('{name}')" not in template]
    assert not missing, f"{missing}: give each its place in page.html.j2, as {{{{ picture('NAME') }}}}"


def test_a_large_svg_gives_way_to_its_png(tmp_path: Path) -> None:
    (tmp_path / "backlog.svg").write_text("<svg>" + " " * 400_000 + "</svg>", encoding="utf-8")
    Image.effect_noise((1000, 500), 64).save(tmp_path / "backlog.png")
    (tmp_path / "waits.svg").write_text("<svg></svg>", encoding="utf-8")
    (tmp_path / "waits.png").write_bytes(b"\x89PNG" + bytes(1000))
    addresses = Page(report(sorted(tmp_path.iterdir()))).addresses
    assert [address[:18] for address in addresses] == ["data:image/png;bas", "data:image/svg+xml"]
    shown = base64.b64decode(addresses[0].partition("base64,")[2])
    assert _shape(shown) == 2.0
    assert len(shown) < (tmp_path / "backlog.png").stat().st_size / 2, "with fewer pixels and colours"


def test_the_numbers_are_those_of_the_metrics(page: Page) -> None:
    assert "Tickets opened a day: typically 10,000, in most of 5 months 9,820 to 10,200" in page.text
    assert "; the bot ends 80 % of them, people handle 20 %." in page.text
    assert "Waiting tickets peak at typically 1,000, in most of 5 months 982 to 1,020, on 14 January" in page.text
    assert "The backlog drains from its peak in typically 4 days, in most of 5 months 3.93 to 4.07 days" in page.text
    assert "The agents cost 69,250 US dollars a day" in page.text
    assert "4.86 days (4.77 to 4.95 days)" in page.text


def test_the_funnel_names_each_denominator(page: Page) -> None:
    assert "ended by the bot 8,000 (7,860 to 8,140) 80 % of the tickets opened" in page.text
    assert "solved at first contact 1,500 (1,470 to 1,530) 75 % of those handled by people" in page.text
    said = "First answer in time: typically 48 %, in most of 5 months 47.1 to 48.9 % of human-handled tickets with"
    assert said in page.text
    assert "of registered users make no direct public complaint" in page.text


def test_complaints_without_waits_and_reducible_ones_are_told_apart(page: Page) -> None:
    assert "Without waits: 73 % of the public complaints." in page.text
    assert "Reducible: 27 % come from waiting for agents." in page.text


def test_expectations_are_shown_passed_and_failed(page: Page, plots: list[Path]) -> None:
    assert "backlog_peak > 1000 mean 1,200 ± 20 tickets ✓ passed" in page.text
    assert "drain_days < 2 mean 4.00 ± 0.08 days ✗ failed" in page.text
    assert "Not judged" in Page(report(plots, expectations=None)).text
    assert "states no expectation" in Page(report(plots, expectations=[])).text


def test_all_metrics_are_listed_with_quantiles_and_replications_undefined_or_beyond_the_horizon(
    plots: list[Path],
) -> None:
    drain = [3.0, 4.0, AtLeast(9.0), AtLeast(9.0), None]
    numbers = metrics() | {"drain_days": estimate("drain_days", drain)}
    missing: list[Expectation] = []
    text = Page(report(plots, metrics=numbers, expectations=missing)).text
    assert "of 4 replications, in 2 it drains in 3.5 days (3.1 to 4.0 days), in 2 it has not drained by the end" in text
    told = (
        r"3\.5 days \(3\.1 to 4\.0 days\) in 2 of 4 replications, > 9\.0 days \(not over by the end\) in 2 > 6\.2 4 1 2"
    )
    assert re.search(rf"drain_days .{{20,120}} days {told}", text)


def test_a_metric_without_a_value_is_not_listed(plots: list[Path]) -> None:
    text = Page(report(plots, metrics=metrics(first_response_p90=None))).text
    assert "first_response_p90" not in text
    assert "What the scenario does not model is not listed." in text
    assert "None" not in text.replace("None : replications", "")


def test_how_to_do_it_again_is_one_command(page: Page) -> None:
    again = "withstand run volatility_spike --set teams.front.agents.day=50 --replications 5 --seed 7"
    assert again in page.text
    assert "ab" * 32 in page.text
    assert "python 3.11.7, simpy 4.1.1" in page.text
    assert "3 hours of candles are missing." in page.text


def test_the_origin_of_the_inputs_is_counted(page: Page, plots: list[Path]) -> None:
    kinds = ["source", "source", "assumption", "assumption", "assumption", "derived"]
    given = {f"k{n}": Provenance(kind, "", 1.0, "", None, None, "k", "f", 1) for n, kind in enumerate(kinds)}
    text = Page(report(plots, provenance=given)).text
    assert "Of 6 numbers with a stated origin, 2 come from a published source, 1 follow" in text
    assert "3 are assumptions" in text
    assert "Not recorded for this run." in page.text


def test_raw_names_have_a_label(plots: list[Path]) -> None:
    """The faults: ``frozen_kyt`` and ``howto`` in tables that a manager reads."""
    story = scenario()
    front = story.teams["front"].model_copy(update={"label": "First line"})
    labelled = story.model_copy(update={"teams": story.teams | {"front": front}})
    numbers = metrics() | {"backlog_peak.front": estimate("backlog_peak", [1.0, 2.0])}
    text = Page(report(plots, scenario=labelled, metrics=numbers)).text
    for name, label in (("frozen_kyt", "Frozen by transaction monitoring"), ("howto", "How-to questions")):
        assert label in text
        assert not re.search(rf"\b{name}\b", text)
    assert "First line" in text
    assert label_of(labelled, "team", "front") == "First line"
    assert label_of(labelled, "team", "night_watch") == "night watch", "made from the name"
    drawn = figures(hourly(values(24 * 4)), metrics(), labelled)
    titles = [axis.get_title(loc="left") for axis in drawn["staffing"].axes]
    assert titles[0].startswith("First line: load")


def test_text_from_a_scenario_cannot_break_out(plots: list[Path]) -> None:
    evil = '<script>alert(1)</script> & "quoted" </title>'
    story = scenario().model_copy(update={"title": evil, "why": evil})
    html = report(plots, scenario=story, run_info=_INFO | {"name": evil, "source": evil, "notes": [evil]})
    assert "<script" not in html
    assert "script" not in Page(html).tags
    assert evil in Page(html).text


def test_one_replication_claims_no_error(plots: list[Path]) -> None:
    text = Page(report(plots, metrics=metrics(1), expectations=[])).text
    assert "One replication says nothing about how much others differ" in text
    assert "±" not in text.replace("its ± is left out", "")
    assert " in most of " not in text


def verdict(**changed: Any) -> dict[str, Any]:
    measured = {"p50": {"value": 4.5}, "p95": {"value": 12.8}, "p99": {"value": 1414.2}}
    found: dict[str, Any] = {
        "valid": True,
        "passed": False,
        "exit_code": 1,
        "reasons": [],
        "thresholds": [
            {"name": "generator.shed", "limit": 0, "measured": 0, "passed": True, "kind": "generator"},
            {"name": "withdrawal.p99_ms", "limit": 800.0, "measured": 1414.2, "passed": False, "kind": "target"},
        ],
        "measured": {
            "endpoints": {
                "withdrawal": {
                    "planned": 80,
                    "sent": 80,
                    "sent_per_s": 20.0,
                    "error_share": 0.0,
                    "latency_ms": measured,
                }
            }
        },
        "objectives": {"withdrawal": {"p50_ms": None, "p95_ms": 300.0, "p99_ms": 800.0, "error_share": 0.01}},
        "headroom": {
            "endpoints": {
                "withdrawal": {
                    "sent_per_s": 20.0,
                    "predicted_p95_per_s": 6.8,
                    "ratio": 2.94,
                    "state": "broken",
                    "why": "withdrawal.p99_ms",
                }
            }
        },
        "reconciliation": {"checks": [{"what": "acknowledged once", "passed": True, "count": 80, "n_wrong": 0}]},
        "speedup": 1.5,
    }
    return found | changed


def test_a_load_test_that_misses_an_objective_is_shown(plots: list[Path]) -> None:
    text = Page(report(plots, verdicts=[verdict()])).text
    assert "✗ failed The endpoints did not meet every objective under this load." in text
    assert "withdrawals 20 6.8 2.94 broken: withdrawal.p99_ms" in text
    assert "Together: withdrawals nothing proven, broken at 20/s, peak 6.8/s: not proven." in text
    assert "withdrawals 80 of 80 20 4.5 12.8 / 300 1,410 / 800 ✗ 0 / 1" in text
    assert "broken threshold (1 of 2) at most measured withdrawal.p99_ms 800 1,410" in text
    assert "acknowledged once 80 0 ✓ passed" in text
    assert "replayed 1.5 times as fast as predicted" in text


def test_a_load_test_that_passes_or_is_not_valid_is_not_mistaken(plots: list[Path]) -> None:
    good = [{"name": "generator.shed", "limit": 0, "measured": 0, "passed": True, "kind": "generator"}]
    text = Page(report(plots, verdicts=[verdict(passed=True, exit_code=0, thresholds=good)])).text
    assert "✓ passed The endpoints met every objective" in text
    assert "All 1 thresholds are met." in text
    bad = [good[0] | {"measured": 150, "passed": False}]
    text = Page(report(plots, verdicts=[verdict(valid=False, exit_code=3, thresholds=bad, reasons=["150 shed"])])).text
    assert "✗ not valid The load generator, not the endpoints, fell short" in text
    assert "150 shed" in text
    assert "every objective" not in text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"reconciliation": {"done": True, "passed": False}}, "missed no objective. Their records do not match the"),
        ({"reconciliation": {"done": False, "passed": False}}, "missed no objective. Their records could not be read."),
        ({"baseline": {"verdict": "regress"}}, "missed no objective. They are slower than in the earlier load test by"),
        ({"valid": False, "reconciliation": {"done": True, "passed": False}}, "good about them. Their records do not"),
        ({"passed": None, "baseline": {"verdict": "undecided"}}, "Nothing failed, but the comparison with the earlier"),
        ({"passed": None, "reconciliation": {"passed": None}}, "Nothing failed, but their records were not read."),
    ],
)
def test_a_load_test_says_why_it_did_not_pass(more: dict[str, Any], said: str) -> None:
    (found,) = all_in_words([verdict(thresholds=[], **more)])["tests"]  # type: ignore[index]
    assert said in found["sentence"]
    assert ("records" in found["sentence"]) == ("reconciliation" in more)


def test_an_undecided_load_test_says_so_and_what_it_needs(plots: list[Path]) -> None:
    few = {
        "name": "login.p99_ms",
        "limit": 300,
        "measured": 20,
        "passed": None,
        "kind": "target",
        "why": "needs 9 more",
    }
    undecided = verdict(
        passed=None,
        exit_code=3,
        thresholds=[few],
        reconciliation={"checks": [], "pending": {"withdrawals": 77, "of": 383, "untold": 0}},
    )
    text = Page(report(plots, verdicts=[undecided])).text
    assert "? undecided Nothing failed, but this test has too few requests to decide every objective." in text
    assert "login.p99_ms 300 20 needs 9 more" in text
    assert "Acknowledged withdrawals still open when the books were read: 77 of 383." in text


def test_every_load_test_is_shown_the_failed_ones_first_and_what_they_prove_together(plots: list[Path]) -> None:
    def one(rate: float, state: str, code: int) -> dict[str, Any]:
        row = {"sent_per_s": rate, "predicted_p95_per_s": 8.0, "ratio": rate / 8, "state": state, "why": ""}
        reasons = [{"outcome": "rejected", "reason": "503 BUSY", "count": 70}]
        measured = {"endpoints": {"withdrawal": {"failures": reasons if code else []}}}
        passed = {0: True, 1: False}[code]
        return verdict(passed=passed, exit_code=code, speedup=rate, headroom={"endpoints": {"withdrawal": row}},
                       measured=measured)  # fmt: skip

    page = Page(report(plots, verdicts=[one(7.1, "held", 0), one(9.4, "broken", 1)]))
    text = page.text
    assert "Together: withdrawals proven to 7.1/s, broken at 9.4/s, peak 8/s: not proven." in text
    assert text.index("replayed 9.4 times as fast") < text.index("replayed 7.1 times as fast")
    assert "withdrawals rejected 503 BUSY 70" in text


def test_what_a_manager_needs_and_a_least_are_said(plots: list[Path]) -> None:
    least = {"name": "login.throughput_per_s", "limit": 90, "measured": 80, "passed": False, "kind": "target"}
    told = {"sentence": "staging holds 45 requests/s, the scenario's p95 peak is 95; short by 50 for 2 minutes"}
    text = Page(report(plots, verdicts=[verdict(thresholds=[least | {"at_least": True}], manager=told)])).text
    assert "staging holds 45 requests/s, the scenario's p95 peak is 95; short by 50 for 2 minutes." in text
    assert "login.throughput_per_s at least 90 80" in text
    assert "staging holds" not in Page(report(plots, verdicts=[verdict(manager=None)])).text


def test_wrong_books_after_a_fast_load_test_are_said(plots: list[Path]) -> None:
    wrong = {"passed": False, "checks": [{"what": "acknowledged once", "passed": False, "count": 80, "n_wrong": 3}]}
    text = Page(report(plots, verdicts=[verdict(thresholds=[], reconciliation=wrong)])).text
    assert "missed no objective. Their records do not match the requests that they acknowledged" in text
    assert "acknowledged once 80 3 ✗ failed" in text


def test_without_a_load_test_there_is_no_section(page: Page) -> None:
    assert "Load test" not in page.text


def test_a_desk_without_endpoints_has_no_such_section(plots: list[Path]) -> None:
    table = {key: rows for key, rows in values(48).items() if not key[0].startswith("endpoint:")}
    kept = [path for path in plots if path.stem != "endpoints"]
    page = Page(report(kept, hourly=hourly(table)))
    assert "Endpoints: what the load test must reach" not in page.text
    assert "busiest minute brings" not in page.text
