"""One file for each API that can be tested: found by its name, see ``loadtests.dialect.contract``."""
