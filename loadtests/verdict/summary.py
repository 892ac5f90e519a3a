"""A verdict in a few plain lines for the terminal, and as a page of Markdown for a pipeline."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from loadtests.verdict.cases import ERROR, FAILURE, PASSED, SKIPPED, Case, failure_lines, pending_words
from loadtests.verdict.junit import cases_of, limit_of, shown
from sim.core.proven import proofs_of

_WORDS = {0: "PASSED", 1: "FAILED", 3: "UNDECIDED"}
_ANSWERED = ("acknowledged", "rejected", "rate_limited", "unknown")
_STATES = {PASSED: "passed", FAILURE: "**failed**", ERROR: "**not proven**", SKIPPED: "not judged"}


def plain_lines(verdict: Mapping[str, Any], folder: str) -> list[str]:
    """Return the verdict in a few plain lines."""
    return [
        f"{_word(verdict)}  {_what(verdict)}",
        _sent_line(verdict),
        _generator_line(verdict),
        _latency_line(verdict),
        *_gate_lines(verdict),
        *_failure_lines(verdict),
        *_backlog_lines(verdict),
        _reconciliation_line(verdict["reconciliation"]),
        *_payment_lines(verdict),
        *_not_compared_lines(verdict),
        *_proof_lines(verdict["headroom"]),
        *(_baseline_lines(verdict.get("baseline"))),
        *_account_lines(verdict),
        *([verdict["manager"]["sentence"]] if verdict.get("manager") else []),
        _results_line(verdict, folder),
    ]


def _results_line(verdict: Mapping[str, Any], folder: str) -> str:
    if unwritten := verdict.get("unwritten"):
        return f"results: not written ({unwritten}); what there was room for: {folder}.part, which reconcile finishes"
    return f"results: {folder}"


def markdown(verdict: Mapping[str, Any]) -> str:
    """Return the verdict as Markdown: the sentence, then a table row for each condition, threshold and check."""
    parts = [f"# {_word(verdict).capitalize()}: load test of {_md(verdict['scenario'])}", ""]
    parts += [_md(_what(verdict)) + ".", "", f"- {_md(_sent_line(verdict))}", f"- {_md(_generator_line(verdict))}"]
    more = (
        _latency_line(verdict), *_failure_lines(verdict), *_backlog_lines(verdict), *_payment_lines(verdict),
        *_not_compared_lines(verdict), *_proof_lines(verdict["headroom"]), *_account_lines(verdict),
    )  # fmt: skip
    parts += [f"- {_md(line)}" for line in more]
    if verdict.get("manager"):
        parts += ["", f"> {_md(verdict['manager']['sentence'])}"]
    for suite, cases in cases_of(verdict).items():
        parts += ["", f"## {suite.capitalize()}", "", "| | result | |", "|---|---|---|"]
        parts += [_row(case) for case in cases]
    return "\n".join([*parts, ""])


def _word(verdict: Mapping[str, Any]) -> str:
    return "INVALID" if verdict["exit_code"] == 3 and not verdict["valid"] else _WORDS[verdict["exit_code"]]


def _gate_lines(verdict: Mapping[str, Any]) -> list[str]:
    """Return the gates that failed, then, in a valid run, those that are undecided or were skipped."""
    targets = [line for line in verdict["thresholds"] if line["kind"] == "target"]
    broken = [
        f"broken: {line['name']} is {shown(line['measured'])}, {limit_of(line)}"
        for line in targets
        if line["passed"] is False
    ]
    if not verdict["valid"]:
        return broken
    open_lines = [line for line in targets if line["passed"] is None]
    undecided = [
        f"{line['state']}: {line['name']} is {shown(line['measured'])}, {limit_of(line)}: {line['why']}"
        for line in open_lines
        if line["state"] == "undecided"
    ]
    skipped: dict[str, list[str]] = {}
    for line in open_lines:
        if line["state"] == "skipped":
            told = f"{line['endpoint']}: {line['why']}" + (" (required)" if line["required"] else "")
            skipped.setdefault(told, []).append(line["name"])
    return broken + undecided + [f"skipped: {len(names)} gates of {told}" for told, names in skipped.items()]


def _failure_lines(verdict: Mapping[str, Any]) -> list[str]:
    found = verdict["measured"]["endpoints"].items()
    return [f"not acknowledged, {name}: {'; '.join(told)}" for name, one in found if (told := failure_lines(one))]


def _backlog_lines(verdict: Mapping[str, Any]) -> list[str]:
    return [
        f"growing backlog, {name}: {one['sent_per_s']:.4g}/s sent, {one['throughput_per_s']:.4g}/s completed, "
        f"{one['backlog']['at_end']:,} under way at the end of the window"
        for name, one in verdict["measured"]["endpoints"].items()
        if one["backlog"]["growing"]
    ]


def _payment_lines(verdict: Mapping[str, Any]) -> list[str]:
    pending = verdict["reconciliation"]["pending"]
    return [f"pending: {pending_words(pending)}"] if pending else []


def _not_compared_lines(verdict: Mapping[str, Any]) -> list[str]:
    """Return what was sent and could not be compared, since the API does not return it."""
    checks = verdict["reconciliation"]["checks"]
    told = [f"{one['name']} {', '.join(one['not_compared'])}" for one in checks if one.get("not_compared")]
    return [f"not compared: {'; '.join(told)}"] if told else []


def _row(case: Case) -> str:
    return f"| {_md(case.name)} | {_STATES[case.state]} | {_md(case.message or case.details)} |"


def _md(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line."""
    escaped = re.sub(r"([\\`*_{}\[\]<>#|!~&])", r"\\\1", " ".join(str(text).split()))
    return "".join(one if one.isprintable() else "\ufffd" for one in escaped)


def _what(verdict: Mapping[str, Any]) -> str:
    window = verdict["window"]
    return (
        f"{verdict['scenario']}: {window['length_s']:g} s from {window['start_utc'][:19]}, "
        f"speed-up {verdict['speedup']:g}, against {verdict['host']}"
    )


def _sent_line(verdict: Mapping[str, Any]) -> str:
    counts = verdict["counts"]
    sent = counts["planned"] - counts["shed"] - counts["not_sent"]
    answered = ", ".join(f"{name.replace('_', ' ')} {counts[name]:,}" for name in _ANSWERED)
    return f"sent {sent:,} of {counts['planned']:,} in {verdict['window']['duration_s']:g} s: {answered}"


def _generator_line(verdict: Mapping[str, Any]) -> str:
    lateness = verdict["generator"]["lateness_ms"]
    valid = "valid" if verdict["valid"] else "invalid: " + "; ".join(verdict["reasons"])
    return (
        f"generator: lateness p50 {lateness['p50']} ms, p99 {lateness['p99']} ms, "
        f"shed {verdict['counts']['shed']:,}; {valid}"
    )


def _latency_line(verdict: Mapping[str, Any]) -> str:
    parts = []
    for name, values in verdict["measured"]["endpoints"].items():
        p99, limit = values["latency_ms"]["p99"], (verdict["objectives"].get(name) or {}).get("p99_ms")
        objective = f" (objective {shown(limit)})" if limit is not None else ""
        failed = "" if p99["value"] == p99["acknowledged"] else f" with failures, {shown(p99['acknowledged'])} without"
        parts.append(f"{name} {'none' if p99['value'] is None else shown(p99['value'])}{failed}{objective}")
    return "p99 latency in ms: " + ", ".join(parts)


def _reconciliation_line(found: Mapping[str, Any]) -> str:
    if not found["done"]:
        return f"not reconciled: {found['reason']}"
    wrong = [f"{c['name']} {c['what']}: {c['n_wrong']} wrong" for c in found["checks"] if c["passed"] is False]
    if wrong:
        return "reconciliation failed: " + "; ".join(wrong)
    counts = {check["name"]: check["count"] for check in found["checks"]}
    unknown = sum(sum(kind.values()) for kind in found["unknown"].values())
    return (
        f"reconciled: {counts['W1']:,} withdrawals and {counts['T1']:,} tickets acknowledged, each in the server once; "
        f"{unknown:,} writes of unknown fate"
    )


def _proof_lines(headroom: Mapping[str, Any]) -> list[str]:
    """Return what is proven of each endpoint, the tightest first, and how far the p99 lie below their objectives."""
    lines = [
        f"headroom: {proof.words()}{f' ({proof.why})' if proof.why else ''}"
        for proof in proofs_of([headroom])
        if proof.peak_per_s
    ]
    latency = [value for value in headroom["p99_objective_over_measured"].values() if value]
    return lines + ([f"tightest p99 objective is {min(latency):.1f} times what was measured"] if latency else [])


def _baseline_lines(compared: Mapping[str, Any] | None) -> list[str]:
    if compared is None:
        return []
    lines = [f"  {line['name']} {line['verdict']}: {line['sentence']}" for line in compared["lines"]]
    return [f"against {compared['folder']} (margin {compared['margin']:.0%}): {compared['verdict']}", *lines]


def _account_lines(verdict: Mapping[str, Any]) -> list[str]:
    """Return the limits that a pool of accounts exceeded knowingly, and what the cleaning up did."""
    lines = []
    pool, cleaned = verdict.get("accounts"), verdict.get("cleanup")
    if pool and pool["exceeded"]:
        lines.append(f"limits exceeded knowingly: {'; '.join(pool['exceeded'])}")
    if cleaned:
        parts = [
            *_cleaned(cleaned["withdrawals"], "withdrawals cancelled"),
            *_cleaned(cleaned["tickets"], "tickets closed"),
        ]
        lines.append("cleaned up: " + ("; ".join([*parts, *cleaned["faults"]]) or "there was nothing"))
    return lines


def _cleaned(found: Mapping[str, Any], what: str) -> list[str]:
    if not found["total"]:
        return []
    why = f" ({'; '.join(found['faults'])})" if found["faults"] else ""
    kept = f", {found['kept']:,} left behind{why}" if found["kept"] else ""
    return [f"{found['done']:,} of {found['total']:,} {what}, {found['over']:,} had ended{kept}"]
