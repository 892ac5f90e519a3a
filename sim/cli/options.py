"""The commands and their options. No heavy module is imported here: ``withstand --help`` must answer at once."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter

CHILDREN = {
    "staging": "staging",
    "loadtest": "run",
    "capacity": "capacity",
    "reconcile": "reconcile",
    "inject": "inject",
}
"""Commands that run as ``python -m loadtests NAME``: the load test's patching of sockets stays out of the model."""

_ABOUT = """Predict the effect of a bad day on a crypto exchange's support desk, and prove on staging that the
endpoints survive it."""
_CODES = """exit codes: 0 passed; 1 an expectation, threshold or check failed; 2 bad input, nothing written;
            3 the load test is invalid (the generator fell short); 4 an internal law broke;
            130 interrupted, 143 terminated: finished work is kept, and the same command resumes it"""

_DEMO_CODES = """exit codes: 0 each endpoint that it sends to held its predicted peak, whatever broke above that;
            1 one broke at or below its peak, or records are wrong; 3 a peak was not proven either way"""


def parser() -> ArgumentParser:
    """Return the parser of every command; ``options.start`` names the module and function that runs it."""
    top = ArgumentParser(
        prog="withstand", description=_ABOUT, epilog=_CODES, formatter_class=RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, start: str, text: str, example: str) -> ArgumentParser:
        one = commands.add_parser(
            name, help=text, description=text, epilog=f"example: {example}",
            formatter_class=RawDescriptionHelpFormatter,
        )  # fmt: skip
        one.set_defaults(start=start)
        return one

    demo = command("demo", "demo:demo", "the whole workflow in one command: predict, replay, judge", "withstand demo")
    demo.epilog = f"{demo.epilog}\n{_DEMO_CODES}"
    _add_repetition(demo)
    _add_jobs(demo)
    demo.add_argument("--out", type=_folder, metavar="DIR", help="run folder; must be absent or empty")
    demo.set_defaults(engine="auto", precision=None, tickets="first")
    run = command("run", "run:run", "simulate a scenario", "withstand run volatility_spike --replications 20")
    _add_run(run)
    check = command("check", "run:check", "check scenario files", "withstand check my_scenario.toml")
    check.add_argument("files", nargs="+", metavar="FILE", help="scenario files, or names of the catalogue")
    command("list", "catalogue:catalogue", "list the scenarios: what each asks, and the answer", "withstand list")
    show = command("show", "show:show", "print the numbers of a run", "withstand show results/quiet_week/*")
    show.add_argument("run", metavar="RUN", help="run folder")
    show.add_argument("--all", action="store_true", help="print every metric, by team and category as well")
    compare = command(
        "compare", "show:compare", "compare runs with the first, metric by metric",
        "withstand compare results/a results/b",
    )  # fmt: skip
    compare.add_argument("runs", nargs="+", metavar="RUN", help="two or more run folders; the first is the base")
    compare.add_argument("--metric", action="append", default=[], metavar="NAME", help="only these metrics")
    command("selfcheck", "selfcheck:selfcheck", "compare the model with exact queueing answers", "withstand selfcheck")
    hazards = command(
        "hazards", "run:hazard_lines", "work out the complaint hazards that give p_public_if_unresolved",
        "withstand hazards scenarios/baseline.toml --replications 100",
    )  # fmt: skip
    _add_scenario(hazards)
    explain = command(
        "explain", "explain:explain", "show the meaning of a scenario's key or a metric, and where it acts",
        "withstand explain withdrawals.payouts_per_minute",
    )  # fmt: skip
    explain.add_argument("key", nargs="?", metavar="KEY", help="key path or its last part, or metric (default: all)")
    explain.add_argument(
        "--scenario", default="baseline", metavar="SCENARIO", help="scenario whose values to show (default baseline)"
    )
    command("schema", "show:schema", "print the JSON Schema of scenarios, for editors", "withstand schema > s.json")
    completion = command(
        "completion", "completion:completion", "print a script that completes commands and options in a shell",
        "withstand completion bash > ~/.local/share/bash-completion/completions/withstand",
    )  # fmt: skip
    completion.add_argument("shell", choices=("bash", "zsh"), help="the shell that reads the script")
    for name in CHILDREN:
        commands.add_parser(name, help=_CHILD_HELP[name], add_help=False)
    return top


_CHILD_HELP = {
    "staging": "start the reference exchange back end on this machine",
    "loadtest": "replay a run's arrivals against a test system",
    "capacity": "measure the requests per second that a test system sustains",
    "reconcile": "compare an earlier load test's journal with the server's records",
    "inject": "send repeated, competing and abandoned requests, and check that the accounts stay correct",
}


def _add_repetition(to: ArgumentParser) -> None:
    to.add_argument("--replications", type=_whole(1), metavar="N", help="number of replications (default 20)")
    to.add_argument("--seed", type=_whole(0), default=1, metavar="S", help="seed of the random numbers (default 1)")
    to.add_argument("--quiet", action="store_true", help="print only faults")


def _add_jobs(to: ArgumentParser) -> None:
    about = "threads, or processes with --engine simpy (default: one for each core)"
    to.add_argument("--jobs", type=_whole(1), metavar="N", help=about)


def _add_scenario(to: ArgumentParser) -> None:
    to.add_argument("scenario", metavar="SCENARIO", help="scenario file, or a name of the catalogue")
    to.add_argument(
        "--set", dest="sets", action="append", default=[], metavar="KEY=VALUE", help="change one key; repeatable"
    )
    _add_repetition(to)


def _add_run(to: ArgumentParser) -> None:
    _add_scenario(to)
    _add_jobs(to)
    to.add_argument(
        "--engine", choices=("auto", "simpy", "fast"), default="auto",
        help="simpy, which defines the model, or fast, its compiled twin with the same results (default auto: fast)",
    )  # fmt: skip
    to.add_argument(
        "--precision", type=_share, metavar="P",
        help="stop, after 30 replications or more, when the scenario's primary metric is known to this share of its "
        "true mean, at 95 %% (2%% or 0.02); --replications is then the maximum (default 1000)",
    )  # fmt: skip
    to.add_argument("--profile", action="store_true", help="print the CPU time of each stage")
    to.add_argument("--candles", metavar="FILE", help="hourly or finer prices whose volatility drives demand")
    to.add_argument("--from", dest="begin", metavar="DATE", help="day in FILE (UTC) at which the measured days begin")
    to.add_argument(
        "--capacity", metavar="FILE",
        help="capacity.json, written by withstand capacity: its curve becomes the scenario's gateway (if it has "
        "none, 60 %% of the refused try again after 2 min, and 5 %% of those who give up open a ticket)",
    )  # fmt: skip
    to.add_argument("--out", type=_folder, metavar="DIR", help="run folder; must be absent or empty")
    to.add_argument(
        "--tickets", choices=("first", "all"), default="first", help="replications whose tickets are written"
    )


def _whole(least: int):  # type: ignore[no-untyped-def]
    """Return an argument type: a whole number of at least ``least``."""

    def whole(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise ArgumentTypeError(f"got {text}; must be a whole number, {least} or more")
        return value

    return whole


def _folder(text: str) -> str:
    """Return the argument, the name of a folder."""
    if not text.strip() or "\0" in text:
        raise ArgumentTypeError(f"got {text!r}; must be the name of a folder")
    return text


def _share(text: str) -> float:
    """Return the argument ``2%`` or ``0.02`` as a share above 0 and below 1."""
    number, percent = (text[:-1], 100) if text.endswith("%") else (text, 1)
    try:
        value = float(number) / percent
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise ArgumentTypeError(f"got {text}; must be above 0 and below 100 %, such as 2% or 0.02")
    return value
