PYTHON ?= python3.11
VENV ?= .venv

.PHONY: quickstart test test-slow install install-test browser

quickstart: install
	$(VENV)/bin/penname quickstart

test: install-test browser
	$(VENV)/bin/ruff check src tests benchmarks
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: install-test
	$(VENV)/bin/python -m pytest -m slow

# The report is tested in a browser: Debian's, if there is none yet and it can be installed.
browser:
	@command -v chromedriver >/dev/null || { apt-get update -q && apt-get install -qy chromium chromium-driver; } \
		>/dev/null 2>&1 || echo "no chromedriver: what needs a browser is not tested"

# Of some 14,000 files 500 are imported: Python compiles those when it first needs them, pip would compile all.
install: $(VENV)/.installed
install-test: $(VENV)/.installed-test

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --no-compile -e .
	touch $@

$(VENV)/.installed-test: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --no-compile -e '.[test]'
	touch $@ $(VENV)/.installed
