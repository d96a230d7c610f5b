# Two commands are all it takes: `make demo` and `make test`. Whatever they need goes into .venv, once.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	"$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
# --use-pep517: pytorchvideo and two of its dependencies come as source, and an old pip would build them in a way of its own.
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --use-pep517 --constraint constraints.txt

.PHONY: demo test setup check format clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.installed
	cd samples && ../$(BIN)/wtalkit detect match.mp4

# Two tests at a time, each with one thread: what computes on two waits for the other core most of the time.
test: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

setup: $(VENV)/.installed-dev

# What CI runs before the tests; `make format` mends the first two.
check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache

# An empty stamp file stands for each installed set; it is made anew when the lists of packages change.
$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with its venv module is needed (Debian: apt install python3-venv)" >&2; exit 3; }
	@echo "Installing into $(VENV); torch makes it a few gigabytes, so the first time takes some minutes."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(INSTALL) --editable '.[test]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-test
	$(INSTALL) --editable '.[dev]'
	@touch $@
