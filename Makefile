# The two commands: `make book` builds the HTML, `make test` checks everything. Both make their own environment.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
STRICT := $(BIN)/jupyter-book build . -W -n --keep-going --all
# Four files side by side on two cores, since browsers, kernels and graders make tests wait, and one thread each: the
# networks are small, and threads would wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder
CPU_OF_ANOTHER_READER := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41

.PHONY: book pdf test test-slow serve fresh rename notebooks bench compare retarget release requirements links clean

book: $(READY)
	$(STRICT)
	@echo "Open $(CURDIR)/_build/html/index.html"

test: book
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(PYTEST)

test-slow: book
	$(BIN)/pip install --quiet --no-deps -r requirements-slow.txt
	$(PYTEST) -m slow
	$(CPU_OF_ANOTHER_READER) $(PYTEST) book

pdf: book  ## the whole book as one file, beside the pages; the first page links to it
	$(BIN)/pip install --quiet --no-deps $$(grep ^pypdf requirements-slow.txt)
	$(BIN)/python scripts/pdf.py

serve: book
	$(BIN)/python -m http.server --directory _build/html 8000

fresh: $(READY)  ## bring everything that is made from something else up to date
	$(BIN)/python scripts/fresh.py

rename: $(READY)  ## make rename OLD=its_name NEW=another_name: everywhere, then `make fresh`
	$(BIN)/python scripts/rename.py "$(OLD)" "$(NEW)"
	$(BIN)/python scripts/fresh.py

notebooks: fresh  ## run every chapter in place and keep its outputs
	$(BIN)/python scripts/notebooks.py

bench: $(READY)
	for script in experiments/bench_*.py; do $(BIN)/python $$script || exit 1; done

compare: $(READY)  ## compare the package with other libraries, side by side
	$(BIN)/pip install --quiet --no-deps -r requirements-slow.txt
	@failed=; for script in $(sort $(wildcard experiments/compare_*.py)); do \
	  echo "== $$script"; $(BIN)/python $$script || failed="$$failed $$script"; done; \
	[ -z "$$failed" ] || { echo "to run again:$$failed"; exit 1; }

retarget: $(READY)  ## make retarget REPOSITORY=https://github.com/someone/fork BRANCH=main SITE_URL=https://example.org/
	$(BIN)/python scripts/retarget.py "$(REPOSITORY)" "$(or $(BRANCH),main)" $(if $(filter undefined,$(origin SITE_URL)),,"$(SITE_URL)")

release: $(READY)  ## make release VERSION=0.2.0: an edition whose pages install its own tag
	$(BIN)/python scripts/release.py "$(VERSION)"

requirements:  ## resolve requirements.in anew; with PACKAGE=name move that package and leave the others where they are
	@[ -z "$(PACKAGE)" ] || grep -qi '^$(PACKAGE)==' requirements.txt || \
	  { echo "PACKAGE=$(PACKAGE) is not in requirements.txt"; exit 1; }
	$(PYTHON) -m venv $(VENV)-fresh
	$(if $(PACKAGE),grep -iv '^$(PACKAGE)==' requirements.txt,echo) > $(VENV)-fresh/constraints.txt
	$(VENV)-fresh/bin/pip install --quiet --upgrade pip
	$(VENV)-fresh/bin/pip install --quiet -r requirements.in --constraint $(VENV)-fresh/constraints.txt
	(echo "# Made by 'make requirements' from requirements.in, for Python 3.11. Do not edit."; \
	 $(VENV)-fresh/bin/pip freeze --exclude pip | sed "s/+cpu$$//") > requirements.txt
	rm -rf $(VENV)-fresh

links: $(READY)  ## ask every address outside the book whether it is still there
	$(BIN)/jupyter-book build . --builder linkcheck --all --path-output _build/links

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -r requirements.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

clean:
	rm -rf _build $(VENV) build dist .pytest_cache .ruff_cache .hypothesis *.egg-info
