# make run      serve on 127.0.0.1:8080 (installs what is missing into .venv first)
# make test     run all tests
# make lint     ruff, mypy --strict, import directions
# make bench    measure the gateway and llama.cpp; LLAMA_SERVER=/path/to/llama-server compares
# make install  only install

PYTHON ?= python3
ACCELERATOR ?= cpu
LLAMA_SERVER ?=
VENV := .venv
BIN := $(VENV)/bin
MANIFESTS := $(wildcard backends/*/backend.yaml)
STARTERS := $(addprefix model-gallery/starter/,chat image pictures vision voice whisper)
TYPED := localai backends tests benchmarks scripts

.DEFAULT_GOAL := run
.PHONY: install run test lint bench clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml $(MANIFESTS) scripts/check-host.sh
	@scripts/check-host.sh "$(PYTHON)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	$(BIN)/python scripts/backend_requirements.py $(ACCELERATOR) > $(VENV)/requirements.txt
	@echo "Installing the engines; building llama.cpp takes a few minutes the first time."
	$(BIN)/python -m pip install --quiet --requirement $(VENV)/requirements.txt
	@touch $@

$(VENV)/.test: $(VENV)/.installed tests/javascript/package-lock.json
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	if command -v npm >/dev/null; then npm ci --prefix tests/javascript --no-audit --no-fund --silent; fi
	@touch $@

$(VENV)/.lint: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[lint]'
	@touch $@

run: install
	$(BIN)/localai run $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(TYPED)
	$(BIN)/mypy $(STARTERS)
	$(BIN)/lint-imports

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks $(if $(LLAMA_SERVER),--llama-server $(LLAMA_SERVER))

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
