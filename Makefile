PYTHON ?= python3.11
VENV ?= .venv
NEWEST ?= .venv-newest
OLDEST ?= .venv-oldest
DOCS ?= .venv-docs
AUDIT ?= .venv-audit

.PHONY: quickstart test test-fast test-portable test-slow test-arithmetic test-newest test-oldest constraints docs packages coverage audit bill-of-materials install install-test browser postgresql

define check
	$(1)/bin/ruff check src tests benchmarks examples docs
	$(1)/bin/mypy
	$(1)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(2)
endef

quickstart: install
	$(VENV)/bin/penname quickstart

test: install-test browser postgresql
	$(call check,$(VENV))

# What needs no model and no encoder, so that it ends within two minutes on two idle cores.
FAST = @tests/fast.txt

test-fast: install-test
	$(call check,$(VENV),$(FAST))

# The same without what Windows lacks, and with processes that start anew.
test-portable: install-test
	PYTHONPATH=tests/portable $(VENV)/bin/python -m pytest -n 2 --dist loadfile $(FAST)

test-slow: install-test browser postgresql
	$(VENV)/bin/python -m pytest -m slow
	PENNAME_TEST_MUTATIONS=many $(VENV)/bin/python -m pytest -n 2 tests/data/test_mutations.py tests/test_recipe_mutations.py

# Processors round differently, so whatever trains or samples is tested in each of these settings: `make test` knows
# only this machine's. The instructions are upper bounds; the last ones round otherwise on any x86-64 processor. Minutes
# each; bfloat16 up to an hour where the processor does not compute in it.
COMPUTING = tests/engines tests/experiments tests/pat tests/rest_pg tests/rewards tests/session tests/training tests/test_a*.py tests/test_cli*.py tests/test_e*.py
INSTRUCTIONS = ONEDNN_MAX_CPU_ISA=AVX2 ONEDNN_MAX_CPU_ISA=AVX512_CORE ATEN_CPU_CAPABILITY=default

test-arithmetic: install-test
	@failed=0; for type in float32 bfloat16; do for threads in 1 2; do for instructions in $(INSTRUCTIONS); do \
		echo "$$type, $$threads threads, $$instructions"; \
		env PENNAME_TEST_ARITHMETIC=$$type OMP_NUM_THREADS=$$threads $$instructions \
			$(VENV)/bin/python -m pytest -n $$((2 / threads)) --dist loadfile --timeout 7200 $(COMPUTING) || failed=1; \
	done; done; done; exit $$failed

# The newest versions that pyproject.toml allows, in an environment of its own that is made anew, as is the bundled model.
test-newest: export PENNAME_CACHE = $(CURDIR)/$(NEWEST)/cache
test-newest: browser postgresql
	$(PYTHON) -m venv --clear $(NEWEST)
	$(NEWEST)/bin/pip install --quiet --no-compile -e '.[test]'
	$(call check,$(NEWEST))

# The oldest versions that pyproject.toml allows as uv finds them, of all that it names; pip installs them, with the newest
# pytest and hypothesis.
test-oldest: export PENNAME_CACHE = $(CURDIR)/$(OLDEST)/cache
test-oldest: browser postgresql
	$(PYTHON) -m venv --clear $(OLDEST)
	$(OLDEST)/bin/pip install --quiet uv
	$(OLDEST)/bin/uv pip compile --quiet --resolution lowest-direct --python $(OLDEST)/bin/python --no-header --no-annotate \
		--extra test pyproject.toml | grep -viE '^(cuda|nvidia|triton|pytest|hypothesis)' > $(OLDEST)/oldest.txt
	$(OLDEST)/bin/pip install --quiet --no-compile --constraint $(OLDEST)/oldest.txt -e '.[test]'
	$(OLDEST)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# The newest versions, once they pass the tests, become those that are installed. Left out are what torch brings for GPUs
# on some platforms, and which build of torch it is.
constraints: test-newest
	echo '# The versions that passed the tests, made by `make constraints`.' > constraints.txt
	$(NEWEST)/bin/pip list --format=freeze --exclude-editable --exclude pip \
		| grep -viE '^(cuda|nvidia|triton)' | sed 's/+.*//' >> constraints.txt

# The documentation as a site, in build/site and in the package, in an environment of its own.
docs: $(DOCS)/.installed
	$(DOCS)/bin/python -m docs.build_site

# The package's archives in dist, with the site.
packages: docs install-test
	$(VENV)/bin/python -m build

# What of the package the tests run, as far as they run it in their own processes.
coverage: install-test browser postgresql
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov=penname --cov-report=term:skip-covered

# Known faults of the versions in constraints.txt, from PyPI's advisories; and what is installed, as a bill of materials.
audit:
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/pip install --quiet pip-audit
	$(AUDIT)/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip

bill-of-materials: install
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/pip install --quiet cyclonedx-bom
	mkdir -p dist
	$(AUDIT)/bin/cyclonedx-py environment $(VENV)/bin/python --output-reproducible --output-file dist/penname.cdx.json

# The report is tested in a browser: Debian's, if there is none yet and it can be installed.
browser:
	@command -v chromedriver >/dev/null || { apt-get update -q && apt-get install -qy chromium chromium-driver; } \
		>/dev/null 2>&1 || echo "no chromedriver: what needs a browser is not tested"

# The server is tested with PostgreSQL too, which the tests start themselves: Debian's, as above.
postgresql:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { apt-get update -q && apt-get install -qy postgresql; } \
		>/dev/null 2>&1 || echo "no PostgreSQL: the server is tested with SQLite alone"

# Of some 14,000 files 500 are imported: pip would compile all, so most of those are imported once here, and the others
# compiled when Python first needs them. The loops of retrieval are compiled at their first large input: that is here.
define compile
	$(VENV)/bin/python -c 'import penname.experiments.train, penname.training.fine_tuning, peft'
	$(VENV)/bin/python -c 'from penname.retrieval.bm25 import warm_up; warm_up()'
endef

install: $(VENV)/.installed
install-test: $(VENV)/.installed-test

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --no-compile --constraint constraints.txt -e '.[experiments]'
	$(compile)
	touch $@

$(DOCS)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/pip install --quiet --no-compile --constraint constraints.txt -e '.[docs]'
	touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --no-compile --constraint constraints.txt -e '.[test]'
	$(compile)
	touch $@ $(VENV)/.installed
