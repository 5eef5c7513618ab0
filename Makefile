# Every target first creates .venv from requirements.lock, with uv if it is installed.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& { command -v $$p; break; }; done)
BIN = .venv/bin
# Written last, so that an interrupted set-up is run again.
READY = .venv/.ready

.DEFAULT_GOAL = help
.PHONY: help demo test test-fast notebooks fuzz browser lint format lab docs lock clean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(READY)  ## Explain the demo image; writes demo/index.html
	$(BIN)/mrcnn-explained explain --out demo
	@echo "Open $(CURDIR)/demo/index.html in a browser."

test: $(READY)  ## Run all tests; those in a browser need Chromium
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: $(READY)  ## Run the tests that take a few seconds at most
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

notebooks: $(READY)  ## Run every notebook from top to bottom
	$(BIN)/python -m pytest tests/test_notebooks.py

fuzz: $(READY)  ## Read 30,000 broken files of every kind; takes half an hour
	$(BIN)/python -m tests.fuzz --count 30000
	$(BIN)/python -m tests.fuzz.command_lines

browser: $(READY)  ## Operate every explorer in JupyterLab and Chromium
	$(BIN)/python -m pytest tests/explorers/test_browser.py

lint: $(READY)  ## Check style, types and generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/environment_yml.py --check
	$(BIN)/python tools/stages_md.py --check

format: $(READY)  ## Fix style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lab: $(READY)  ## Open the first notebook in JupyterLab
	$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/00_overview.ipynb

docs: $(READY)  ## Write docs/stages.md and environment.yml from the code
	$(BIN)/python tools/stages_md.py
	$(BIN)/python tools/environment_yml.py

lock:  ## Write requirements.lock from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra lab --extra train --extra ray --extra video --extra dev --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-emit-find-links --quiet --output-file requirements.lock

clean:  ## Remove .venv and the files that the demo wrote
	rm -rf .venv demo explained

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Found no Python 3.11, 3.12 or 3.13. Install one, or run" \
		"make PYTHON=/path/to/python3.11"; exit 1; }
	@rm -f $(READY)
	@if command -v uv >/dev/null; then set -ex; \
		uv venv --quiet --allow-existing --python $(PYTHON) .venv; \
		uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; \
		uv pip install --quiet --python $(BIN)/python --no-deps --editable .; \
	else set -ex; \
		$(PYTHON) -m venv .venv; \
		$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock; \
		$(BIN)/python -m pip install --quiet --no-deps --editable .; \
	fi
	@touch $(READY)
