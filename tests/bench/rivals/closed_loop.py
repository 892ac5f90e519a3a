"""A locustfile as they are usually written: a shape sets users, each of them waits to keep a rate of its own.

A bench starts it as a child process; USERS and REQUESTS_PER_S (of each user) come from the environment.
"""

from __future__ import annotations

import os

from locust import FastHttpUser, LoadTestShape, constant_throughput, task

USERS, REQUESTS_PER_S = int(os.environ["USERS"]), float(os.environ["REQUESTS_PER_S"])
SECONDS = float(os.environ["SECONDS"])


class Reader(FastHttpUser):
    """Asks for the status of withdrawals."""

    wait_time = constant_throughput(REQUESTS_PER_S)

    @task
    def status(self) -> None:
        """Ask once."""
        self.client.get("/api/v4/wallet/withdrawals")


class Steady(LoadTestShape):
    """All users from the first second to the last."""

    def tick(self) -> tuple[int, float] | None:
        """Return users and spawn rate, None at the end."""
        return (USERS, USERS) if self.get_run_time() < SECONDS else None
