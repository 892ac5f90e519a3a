"""Signatures and nonces: a door to ``loadtests.dialect.signing`` for dialects that import it from here, until 0.2."""

from loadtests.dialect.signing import *  # noqa: F403
