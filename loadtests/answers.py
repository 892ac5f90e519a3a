"""What an HTTP answer means: a door to ``loadtests.dialect.answers`` for dialects that import from here, until 0.2."""

from loadtests.dialect.answers import *  # noqa: F403
