"""The Locust glue: plain ``locust -f loadtests/locustfile.py`` and ``python -m loadtests run`` both run through here.

The only file that imports locust, because importing it patches the sockets of the whole process. Locust's users are not
the load: the one user idles while the driver sends each arrival when it is due. Locust's statistics, CSV, HTML and web
page get every request with its latency from the due time.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from functools import partial
from typing import Any

import gevent
from locust import User, events, task
from locust.env import Environment
from locust.event import Events
from locust.stats import CSV_STATS_INTERVAL_SEC

from loadtests import cli
from loadtests.dialect import ACKNOWLEDGED, RATE_LIMITED
from loadtests.driver import Ended, Progress
from loadtests.faults import InputError
from loadtests.plan import Plan, add_arguments, check_target, make_plan
from loadtests.session import Session

RUN_VARIABLE = "WITHSTAND_RUN"
LOCAL_ONLY = "must be one process: spreading a trace over workers is not built yet, and each would send all of it"


class Idle(User):
    """Locust wants a user. This one does nothing."""

    fixed_count = 1

    @task
    def idle(self) -> None:
        """Wait."""
        gevent.sleep(1)


class Replay:
    """One environment's load test: its plan, and its session while it runs."""

    def __init__(self, environment: Environment, plan: Plan, progress: Progress = lambda sent, planned: None) -> None:
        self._environment, self._plan, self._progress = environment, plan, progress
        self._tells = environment.parsed_options is not None
        self._session: Session | None = None
        self._greenlet: gevent.Greenlet | None = None
        self.verdict: dict[str, Any] | None = None
        self.error: Exception | None = None
        environment.events.test_start.add_listener(self._on_start)
        environment.events.test_stop.add_listener(partial(self._on_stop, reason="stopped"))
        environment.events.quitting.add_listener(partial(self._on_stop, reason="interrupted"))

    def abort(self, reason: str) -> None:
        """End the sending; what is under way may end."""
        if self._session is not None:
            self._session.abort(reason)

    def _on_start(self, **_: Any) -> None:
        self._greenlet = gevent.spawn(self._run)

    def _on_stop(self, reason: str, **_: Any) -> None:
        if self._greenlet is not None and gevent.getcurrent() is not self._greenlet:
            self.abort(reason)
            self._greenlet.join()

    def _run(self) -> None:
        try:
            self._check_host()
            check_target(self._plan)
            self._session = Session(self._plan, still_allowed=self._host_unchanged)
            self.verdict = self._session.run(self._fire, self._progress)
            self._environment.process_exit_code = self.verdict["exit_code"]
        except Exception as error:  # Locust would log it and go on: keep it, and end
            self.error = error
            if self._tells:
                self._environment.process_exit_code = cli.exit_code_of(error)
        gevent.spawn(self._end)

    def _end(self) -> None:
        runner, options = self._environment.runner, self._environment.parsed_options
        if options is not None and options.csv_prefix:
            gevent.sleep(
                CSV_STATS_INTERVAL_SEC + 0.1
            )  # Locust's last lines of CSV come a moment after the last request
        if runner is not None and self._environment.web_ui is None:
            runner.quit()
        elif runner is not None:
            runner.stop()

    def _check_host(self) -> None:
        if not self._host_unchanged():
            raise InputError(["--host: got another host than at the start; must stay the same"])

    def _host_unchanged(self) -> bool:
        return (self._environment.host or "").rstrip("/") == self._plan.url

    def _fire(self, ended: Ended) -> None:
        """Hand one request to Locust. A 429 is neither success nor failure: it has a line of its own."""
        outcome, reason = ended.outcome.outcome, ended.outcome.reason
        name = f"{ended.endpoint} (rate limited)" if outcome == RATE_LIMITED else ended.endpoint
        self._environment.events.request.fire(
            request_type=ended.method,
            name=name,
            response_time=ended.latency_us / 1000,
            response_length=ended.length_bytes,
            exception=None if outcome in (ACKNOWLEDGED, RATE_LIMITED) else RuntimeError(f"{outcome}: {reason}"),
            context={},
        )


def replay(plan: Plan, progress: Progress, on_ready: Any = None) -> dict[str, Any]:
    """Run a plan with Locust as a library, and return the verdict.

    ``on_ready`` gets the function that ends the run early. Raises what the run raised.
    """
    environment = Environment(user_classes=[Idle], events=Events(), host=plan.url)
    runner = environment.create_local_runner()
    run = Replay(environment, plan, progress)
    if on_ready is not None:
        on_ready(run.abort)
    runner.start(1, spawn_rate=1)
    runner.greenlet.join()
    if run.error is not None:
        raise run.error
    if run.verdict is None:
        raise RuntimeError("the run ended without a verdict")
    return run.verdict


@events.init_command_line_parser.add_listener
def _add_options(parser: ArgumentParser, **_: Any) -> None:
    hidden = partial(parser.add_argument, include_in_web_ui=False)
    hidden(
        "--run", default=os.environ.get(RUN_VARIABLE, ""), metavar="RUN", help=f"run folder (default: ${RUN_VARIABLE})"
    )
    add_arguments(hidden)
    parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1")
    # A worker would wait for its master for minutes before any later hook could refuse it.
    known, _rest = parser.parse_known_args([a for a in sys.argv[1:] if a not in ("-h", "--help", "-V", "--version")])
    faults = [f"--{name}: {LOCAL_ONLY}" for name in ("master", "worker", "processes") if getattr(known, name, None)]
    if faults:
        cli.refuse(faults)


@events.init.add_listener
def _on_init(environment: Environment, **_: Any) -> None:
    options = environment.parsed_options
    if options is None:
        return  # used as a library: the plan is there already
    faults = [] if options.run else [f"--run: got nothing; must be a run folder (or set {RUN_VARIABLE})"]
    if not environment.host:
        faults.append("--host: got nothing; must be http://HOST[:PORT] or https://HOST[:PORT]")
    if faults:
        cli.refuse(faults)
    try:
        plan = make_plan(run=options.run, url=environment.host or "", options=options, environ=os.environ)
        check_target(plan)
    except InputError as error:
        cli.refuse(error.faults)
    Replay(environment, plan)
