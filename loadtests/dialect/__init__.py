"""What a dialect must offer, and what dialects are built from."""

from loadtests.dialect.contract import *  # noqa: F403
