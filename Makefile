# Every target makes .venv first, from requirements.lock, with uv where it is there.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& { command -v $$p; break; }; done)
BIN = .venv/bin
# Written last, so that a set-up that was interrupted is not taken for a finished one.
READY = .venv/.ready

.DEFAULT_GOAL = help
.PHONY: help demo test test-fast notebooks browser lint format lab docs lock clean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(READY)  ## Explain the image that comes along; writes demo/index.html
	$(BIN)/mrcnn-explained explain --out demo
	@echo "Open $(CURDIR)/demo/index.html in a browser."

test: $(READY) notebooks  ## Run all tests, those in a browser where Chromium is there
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: $(READY)  ## Run the tests that take no more than a few seconds
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

notebooks: $(READY)  ## Run every notebook from top to bottom
	$(BIN)/python -m pytest --nbmake --nbmake-timeout=60 -p no:cacheprovider notebooks

browser: $(READY)  ## Drive every explorer in JupyterLab and Chromium
	$(BIN)/python -m pytest tests/test_browser.py

lint: $(READY)  ## Check style and generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/environment_yml.py --check
	$(BIN)/python tools/stages_md.py --check

format: $(READY)  ## Mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lab: $(READY)  ## Open JupyterLab
	$(BIN)/jupyter lab notebooks

docs: $(READY)  ## Make docs/stages.md and environment.yml anew from the code
	$(BIN)/python tools/stages_md.py
	$(BIN)/python tools/environment_yml.py

lock:  ## Make requirements.lock anew (needs uv)
	uv pip compile pyproject.toml --extra lab --extra train --extra ray --extra video --extra dev --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-emit-find-links --quiet --output-file requirements.lock

clean:  ## Remove .venv and what the demo wrote
	rm -rf .venv demo explained

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 was found; install one, or say" \
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
