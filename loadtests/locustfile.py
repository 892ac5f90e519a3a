"""The Locust glue: plain ``locust -f loadtests/locustfile.py`` and ``python -m loadtests run`` both run through here.

The only file that imports locust, because importing it patches the sockets of the whole process. Locust's users are not
the load: the one user idles while the driver sends each arrival when it is due. Locust's statistics, CSV, HTML and web
page get every request with its latency from the due time. Locust's own master and workers carry the messages of a run
on several processes or machines.
"""

from __future__ import annotations

import os
import subprocess
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gevent
from locust import User, events, task
from locust.env import Environment
from locust.event import Events
from locust.runners import MasterRunner, WorkerRunner
from locust.stats import CSV_STATS_INTERVAL_SEC

from loadtests.core.exits import (
    INTERRUPTED,
    end_by,
    end_on_signals,
    exit_code_of,
    interrupt_main_alone,
    keep_secrets,
    refuse,
)
from loadtests.core.faults import GeneratorError, InputError
from loadtests.dialect.contract import ACKNOWLEDGED, RATE_LIMITED
from loadtests.plan.plan import Plan, add_arguments, check_target, make_plan
from loadtests.replay.master import Master
from loadtests.replay.sender import Alone, Sender
from loadtests.replay.session import Session
from loadtests.replay.worker import Worker
from loadtests.transport.driver import Ended, Hook, Progress

RUN_VARIABLE = "WITHSTAND_RUN"
MESSAGE = "withstand"
CONNECT_S = 60.0
END_S = 10.0


class Idle(User):
    """Locust wants a user. This one does nothing."""

    fixed_count = 1

    @task
    def idle(self) -> None:
        """Wait."""
        gevent.sleep(1)


def hook_of(environment: Environment) -> Hook:
    """Return the hook that reports each request to Locust. A 429, neither success nor failure, has its own line."""

    def fire(ended: Ended) -> None:
        outcome, reason = ended.outcome.outcome, ended.outcome.reason
        environment.events.request.fire(
            request_type=ended.method,
            name=f"{ended.endpoint} (rate limited)" if outcome == RATE_LIMITED else ended.endpoint,
            response_time=ended.latency_us / 1000,
            response_length=ended.length_bytes,
            exception=None if outcome in (ACKNOWLEDGED, RATE_LIMITED) else RuntimeError(f"{outcome}: {reason}"),
            context={},
        )

    return fire


def guard_of(environment: Environment, plan: Plan) -> Callable[[], str]:
    """Return a check that gives the reason not to send a request: the web page can change the host at any time."""

    def forbidden() -> str:
        same = (environment.host or "").rstrip("/") == plan.url
        return "" if same else "the target was changed during the run"

    return forbidden


class Replay:
    """One environment's load test: its plan, and its session while it runs."""

    def __init__(
        self, environment: Environment, plan: Plan, sender: Sender, progress: Progress = lambda sent, planned: None
    ) -> None:
        self._environment, self._plan, self._sender, self._progress = environment, plan, sender, progress
        self._tells = environment.parsed_options is not None
        self._greenlet: gevent.Greenlet | None = None
        self._ending = False
        self.verdict: dict[str, Any] | None = None
        self.error: Exception | None = None
        environment.events.test_start.add_listener(self._on_start)
        environment.events.test_stopping.add_listener(self._on_stopping)
        environment.events.test_stop.add_listener(partial(self._on_stop, reason="stopped"))
        environment.events.quitting.add_listener(partial(self._on_stop, reason=INTERRUPTED))

    def ending(self) -> Callable[[str], None] | None:
        """Return who takes a further interrupt; None as long as Locust takes it, and begins to end."""
        return self._sender.interrupt if self._ending else None

    def _on_start(self, **_: Any) -> None:
        self._greenlet = gevent.spawn(self._run)

    def _on_stopping(self, **_: Any) -> None:
        if self._greenlet is not None:
            self._sender.abort("stopped")

    def _on_stop(self, reason: str, **_: Any) -> None:
        if self._greenlet is not None and not self._greenlet.dead and gevent.getcurrent() is not self._greenlet:
            self._ending = self._ending or reason == INTERRUPTED or self._environment.web_ui is None
            self._sender.interrupt(reason)
            self._greenlet.join()

    def _run(self) -> None:
        try:
            if guard_of(self._environment, self._plan)():
                raise InputError(["--host: got another host than at the start; must stay the same"])
            check_target(self._plan)
            session = Session(self._plan, self._sender)
            self.verdict = session.run(hook_of(self._environment), self._progress)
            self._environment.process_exit_code = self.verdict["exit_code"]
        except Exception as error:  # Locust would log it and go on: keep it, and end
            self.error = error
            if self._tells:
                self._environment.process_exit_code = exit_code_of(error)
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


class LocustWire:
    """The way from a master to its workers."""

    def __init__(self, runner: MasterRunner) -> None:
        self._runner = runner

    def workers(self) -> list[str]:
        """Return the names of the workers that are connected."""
        return [client.id for client in self._runner.clients.all if client.state != "missing"]

    def send(self, to: str, kind: str, data: dict[str, Any]) -> None:
        """Send a message to a worker."""
        self._runner.send_message(MESSAGE, {"kind": kind, "data": data}, client_id=to)


def master_of(plan: Plan, runner: MasterRunner) -> Master:
    """Return the sender that sends by a runner's workers."""
    master = Master(plan, LocustWire(runner))

    def listen(msg: Any, **_: Any) -> None:
        master.receive(msg.node_id, msg.data["kind"], msg.data["data"])

    runner.register_message(MESSAGE, listen)
    return master


class Share:
    """One worker's part of a load test."""

    def __init__(self, environment: Environment, plan: Plan, runner: WorkerRunner) -> None:
        self._environment, self._plan, self._runner = environment, plan, runner
        self._worker = Worker(plan, self._tell, hook_of(environment), forbidden=guard_of(environment, plan))
        runner.register_message(MESSAGE, self._listen)
        environment.events.test_stopping.add_listener(partial(self._on_stop, reason="stopped"))
        environment.events.quitting.add_listener(self._on_quit)
        self._ending = False
        self._greenlet = gevent.spawn(self._run)

    def wait(self) -> None:
        """Wait until the part is done."""
        self._greenlet.join()

    def interrupt(self, reason: str) -> None:
        """Send nothing more; what is under way may end, unless this is asked a second time."""
        self._worker.interrupt(reason)

    def _listen(self, msg: Any, **_: Any) -> None:
        self._worker.receive(msg.data["kind"], msg.data["data"])

    def _tell(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "done":  # the master's statistics must be whole when it ends, not at the next regular report
            statistics: dict[str, Any] = {}
            self._environment.events.report_to_master.fire(client_id=self._runner.client_id, data=statistics)
            self._runner.send_message("stats", statistics)
        self._runner.send_message(MESSAGE, {"kind": kind, "data": data})

    def _run(self) -> None:
        alone = self._environment.parsed_options is None
        try:
            self._worker.run(CONNECT_S if alone else float("inf"))
            self._environment.process_exit_code = 0
        except Exception as error:
            self._environment.process_exit_code = exit_code_of(error)
            gevent.spawn(self._runner.quit)

    def _on_stop(self, reason: str, **_: Any) -> None:
        self._worker.abort(reason)

    def ending(self) -> Callable[[str], None] | None:
        """See Replay."""
        return self.interrupt if self._ending else None

    def _on_quit(self, **_: Any) -> None:
        self._ending = True
        self.interrupt(INTERRUPTED)
        self._greenlet.join(self._plan.limits.timeout_s + END_S)


def replay(plan: Plan, progress: Progress, on_ready: Callable[[Callable[[str], None]], None]) -> dict[str, Any]:
    """Run a plan with Locust as a library, and return the verdict.

    ``on_ready`` gets the function that ends the run early. Raises what the run raised.
    """
    environment = Environment(user_classes=[Idle], events=Events(), host=plan.url)
    runner = environment.create_local_runner()
    sender = Alone(plan, forbidden=guard_of(environment, plan))
    run = Replay(environment, plan, sender, progress)
    on_ready(sender.interrupt)
    runner.start(1, spawn_rate=1)
    runner.greenlet.join()
    return _verdict(run)


def replay_by_workers(
    plan: Plan,
    commands: Sequence[Sequence[str]],
    progress: Progress,
    on_ready: Callable[[Callable[[str], None]], None],
) -> dict[str, Any]:
    """Run a plan with a worker process for each command, to which the master's HOST:PORT is appended.

    Raises GeneratorError when a worker does not come, and else as ``replay`` does.
    """
    environment = Environment(user_classes=[Idle], events=Events(), host=plan.url)
    runner = environment.create_master_runner("127.0.0.1", 0)
    sender = master_of(plan, runner)
    run = Replay(environment, plan, sender, progress)
    place = f"127.0.0.1:{runner.server.port}"
    workers = [subprocess.Popen([*command, place], stdout=subprocess.DEVNULL) for command in commands]
    try:
        on_ready(sender.interrupt)
        end_s = time.monotonic() + CONNECT_S
        while runner.worker_count < len(workers):
            if any(worker.poll() is not None for worker in workers) or time.monotonic() > end_s:
                raise GeneratorError("a worker process did not start")
            gevent.sleep(0.05)
        runner.start(1, spawn_rate=1)
        runner.greenlet.join()
    finally:
        _end(workers)
    return _verdict(run)


def work(plan: Plan, place: str) -> int:
    """Be a worker of the master at HOST:PORT with Locust as a library, and return the exit code."""
    host, _, port = place.rpartition(":")
    environment = Environment(user_classes=[Idle], events=Events(), host=plan.url)
    runner = environment.create_worker_runner(host, int(port))
    share = Share(environment, plan, runner)
    end_on_signals(share.interrupt)
    share.wait()
    return int(environment.process_exit_code or 0)


def _verdict(run: Replay) -> dict[str, Any]:
    if run.error is not None:
        raise run.error
    if run.verdict is None:
        raise RuntimeError("the run ended without a verdict")
    return run.verdict


def _end(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait for the workers, which have been asked to end, and kill those that do not."""
    end_s = time.monotonic() + END_S
    for worker in workers:
        try:
            worker.wait(max(end_s - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


@events.init_command_line_parser.add_listener
def _add_options(parser: ArgumentParser, **_: Any) -> None:
    hidden = partial(parser.add_argument, include_in_web_ui=False)
    hidden(
        "--run", default=os.environ.get(RUN_VARIABLE, ""), metavar="RUN", help=f"run folder (default: ${RUN_VARIABLE})"
    )
    add_arguments(hidden)
    parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1")


@events.init.add_listener
def _on_init(environment: Environment, runner: Any, **_: Any) -> None:
    options = environment.parsed_options
    if options is None:
        return  # used as a library: the plan is there already
    keep_secrets()
    faults = [] if options.run else [f"--run: got nothing; must be a run folder (or set {RUN_VARIABLE})"]
    if not environment.host:
        faults.append("--host: got nothing; must be http://HOST[:PORT] or https://HOST[:PORT]")
    if faults:
        refuse(faults)
    try:
        plan = make_plan(run=options.run, url=environment.host or "", options=options, environ=os.environ)
        check_target(plan)
    except InputError as error:
        refuse(error.faults)
    except Exception as error:  # Locust would log it and go on
        end_by(error)
    part: Share | Replay
    if isinstance(runner, WorkerRunner):
        part = Share(environment, plan, runner)
    elif isinstance(runner, MasterRunner):
        part = Replay(environment, plan, master_of(plan, runner))
    else:
        part = Replay(environment, plan, Alone(plan, forbidden=guard_of(environment, plan)))
    interrupt_main_alone(part.ending)
