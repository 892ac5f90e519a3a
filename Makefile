# make run: set up and do the main job. make test: set up and pass the tests. Python 3.11-3.13.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORLDS ?= 200000

.PHONY: run test lint swarm bench gallery clean

run: $(READY)
	$(BIN)/withstand demo

test: $(READY) lint
	$(BIN)/pytest -n auto --dist loadgroup -m "not load and not servers and not swarm"
	$(BIN)/pytest -n 5 --dist loadgroup -m "servers and not load" $$(grep -rl mark.servers tests --include="test_*.py")
	$(BIN)/pytest -m load $$(grep -rl mark.load tests --include="test_*.py")

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

swarm: $(READY)
	$(BIN)/pytest -m swarm
	$(BIN)/python -m tests.tools.planted
	$(BIN)/python -m tests.tools.withdrawal_worlds --worlds 20000
	$(BIN)/python -m tests.tools.swarm --worlds $(WORLDS)

bench: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m tests.bench

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/python -m compileall -q sim loadtests
	@$(BIN)/python -m compileall -qq $(VENV)/lib || true  # some libraries carry files that no Python can read
	touch $(READY)

gallery: $(READY)
	rm -rf build/gallery
	-$(BIN)/withstand demo --out build/gallery
	cp build/gallery/plots/backlog.png build/gallery/plots/complaints.png results/gallery/
	cp build/gallery/loadtest/x1/latency.png build/gallery/loadtest/x1/sent.png results/gallery/
	$(BIN)/python -m sim.studies.gallery
	$(BIN)/python -m tests.bench size

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
