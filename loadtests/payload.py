"""What a request carries: a door to ``loadtests.dialect.payload`` for dialects that import it from here, until 0.2."""

from loadtests.dialect.payload import *  # noqa: F403
