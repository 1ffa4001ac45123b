# Two commands: `make book` and `make test`. Each does its own set-up in .venv.

PYTHON ?= python3.11
VENV ?= .venv
export NO_MKDOCS_2_WARNING := 1
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: book test chapter publish site recipe lint benchmarks clean

book: $(VENV)/.book
	$(BIN)/genkeras book

chapter: $(VENV)/.book
	$(BIN)/genkeras chapter $(N)

publish: $(VENV)/.book
	$(BIN)/genkeras publish $(N)

test: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

recipe: $(VENV)/.book
	$(BIN)/genkeras recipe $(NAME)

benchmarks: $(VENV)/.book
	$(BIN)/python -m benchmarks

lint: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The site from the committed pages: its own small environment, without TensorFlow.
site: $(VENV)-site/.site
	$(VENV)-site/bin/mkdocs build --strict --quiet
	@echo "The site is in build/site: open build/site/index.html."

$(VENV)/bin/python:
	@echo "Making $(VENV) with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.book: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing genkeras and what the book needs (about two minutes the first time) ..."
	@$(PIP) --constraint constraints.txt --editable ".[docs,text]"
	@touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing genkeras and what the tests need (about two minutes the first time) ..."
	@$(PIP) --constraint constraints.txt --editable ".[docs,dev]"
	@touch $@ $(VENV)/.book

$(VENV)-site/.site: pyproject.toml constraints.txt
	@echo "Installing what the site needs ..."
	@$(PYTHON) -m venv $(VENV)-site
	@$(VENV)-site/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt mkdocs mkdocs-material "mkdocstrings[python]"
	@touch $@

clean:
	rm -rf build $(VENV) $(VENV)-site
