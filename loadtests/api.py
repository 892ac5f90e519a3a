"""The base class of a dialect: a door to ``loadtests.dialect.api`` for dialects that import it from here, until 0.2."""

from loadtests.dialect.api import *  # noqa: F403
