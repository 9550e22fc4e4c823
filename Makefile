# make run      serve on 127.0.0.1:8080 (installs what is missing into .venv first)
# make test     run all tests
# make lint     ruff, mypy --strict, import directions
# make gallery-lint  check every entry of model-gallery/index.yaml
# make bench    measure the gateway and llama.cpp; LLAMA_SERVER=/path/to/llama-server compares
# make install  only install; ACCELERATOR=cuda12|rocm|vulkan builds llama.cpp for a GPU
# make image    build the all-in-one image with podman or docker; ACCEL=cpu|cuda12|rocm|vulkan
# make test-image   build it and call everything in it

PYTHON ?= python3
ACCELERATOR ?= cpu
LLAMA_SERVER ?=
ACCEL ?= cpu
CONTAINER ?= $(firstword $(foreach engine,podman docker,$(shell command -v $(engine))))
IMAGE ?= localhost/localai:$(ACCEL)
BUILD_ARGS ?=
LLAMA_FLAGS_cuda12 := -DGGML_CUDA=on
LLAMA_FLAGS_rocm := -DGGML_HIP=on
LLAMA_FLAGS_vulkan := -DGGML_VULKAN=on
VENV := .venv
BIN := $(VENV)/bin
MANIFESTS := $(wildcard backends/*/backend.yaml)
STARTERS := $(addprefix model-gallery/starter/,chat image pictures vision voice whisper)
TYPED := localai backends tests benchmarks scripts

.DEFAULT_GOAL := run
.PHONY: install run test lint gallery-lint bench image test-image clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml $(MANIFESTS) scripts/check-host.sh
	@scripts/check-host.sh "$(PYTHON)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	$(BIN)/python scripts/backend_requirements.py $(ACCELERATOR) > $(VENV)/requirements.txt
	@echo "Installing the engines; building llama.cpp takes a few minutes the first time."
	CMAKE_ARGS="$(LLAMA_FLAGS_$(ACCELERATOR)) $$CMAKE_ARGS" \
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

gallery-lint: $(VENV)/.installed
	$(BIN)/localai gallery check model-gallery/index.yaml

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks $(if $(LLAMA_SERVER),--llama-server $(LLAMA_SERVER))

image:
	@test -n "$(CONTAINER)" || { echo "There is no container engine here: install one (Debian: apt-get install podman)" >&2; exit 1; }
	$(CONTAINER) build $(if $(findstring docker,$(CONTAINER)),,--format docker) \
	  --build-arg ACCEL=$(ACCEL) $(BUILD_ARGS) --tag $(IMAGE) --file Dockerfile.aio .

test-image: image
	CONTAINER="$(CONTAINER)" scripts/test-image.sh $(IMAGE)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
