# The developer's whole interface. `make demo` and `make test` need Python ≥ 3.11 and make, nothing else.

PYTHON ?= python3
VENV   ?= .venv
WORKERS ?= 2
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# uv installs in a quarter of pip's processor time. It does not read pip's configuration: where it fails, pip installs.
INSTALL := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
          --no-emit-index-url --no-annotate --custom-compile-command "make lock"

.PHONY: help demo test test-fast test-tensorflow test-jax test-torch check check-style check-types check-documents format docs bench contract proof reliability serving cluster mutants lock clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 17

demo: $(VENV)/demo.stamp  ## train on the built-in digits and leave a report to open
	$(BIN)/striate train digits

# One thread a worker and a worker a core: most tests are too small to gain from more.
PYTEST := $(BIN)/python -m pytest --durations=15 --durations-min=10
TESTS := $(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# The files with tests that a backend's pass runs, and those with tests that `make test-fast` runs: pytest imports every
# file that it is given.
BACKEND_TESTS = $(shell grep -rlE 'mark\.backend\b' tests --include='test_*.py')
FAST_TESTS = $(shell grep -rlE 'mark\.fast\b' tests --include='test_*.py')
PROMISES := tests/training/test_resume.py tests/training/test_batch_size.py tests/test_formats.py \
    tests/training/test_transfer.py::test_killed_in_every_stage_it_ends_with_the_same_bits
SINGLE_THREADED := test-fast test-tensorflow test-jax test-torch reliability
$(SINGLE_THREADED): export TF_NUM_INTRAOP_THREADS = 1
$(SINGLE_THREADED): export OMP_NUM_THREADS = 1
# Where an environment keeps Python from writing bytecode, every process that a test starts would compile all anew.
$(SINGLE_THREADED): export PYTHONDONTWRITEBYTECODE =

test: test-tensorflow test-jax test-torch  ## every test, the backend's ones on all three backends

test-fast:  ## what a minute can tell: tests without a backend, and one small training; installs nothing
	@test -x $(BIN)/pytest || { echo "There is no environment to test in: $(VENV). Try: make check, which makes it."; exit 1; }
	$(TESTS) -m "fast and not (heavy or slow)" $(FAST_TESTS)

test-tensorflow: $(VENV)/dev.stamp  ## every test, on TensorFlow
	KERAS_BACKEND=tensorflow $(TESTS)

# Tests compile the same functions again and again: JAX takes from this folder what it compiled before.
test-jax: export JAX_COMPILATION_CACHE_DIR = $(CURDIR)/.pytest_cache/jax
test-jax: export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS = 0.1
test-jax: $(VENV)/dev.stamp  ## the backend's tests, on JAX
	@rm -rf $(JAX_COMPILATION_CACHE_DIR)
	KERAS_BACKEND=jax $(TESTS) -m "backend and not slow" $(BACKEND_TESTS)

test-torch: $(VENV)/dev.stamp  ## the backend's tests, on PyTorch, where it is installed
	@if $(BIN)/python -c "import importlib.util as u, sys; sys.exit(u.find_spec('torch') is None)"; then \
	    echo "On PyTorch:"; \
	    KERAS_BACKEND=torch $(TESTS) -m "backend and not slow" $(BACKEND_TESTS); \
	elif [ -n "$$STRIATE_REQUIRE_TORCH" ]; then \
	    echo "PyTorch is required here and is not installed"; exit 1; \
	else \
	    echo "Left out: the tests on PyTorch, which is not installed (see locks/torch.txt)."; \
	fi

check: check-style check-types check-documents  ## formatting, lint, types, floors, freshness of the generated documents

check-style: $(VENV)/dev.stamp
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/python -m pytest -q tests/test_floors.py tests/test_public_api.py
	$(BIN)/python scripts/vocabulary.py

check-types: $(VENV)/dev.stamp
	$(BIN)/mypy

check-documents: $(VENV)/dev.stamp
	$(BIN)/python docs/generate.py --check

format: $(VENV)/dev.stamp  ## format and repair what can be repaired
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: $(VENV)/dev.stamp  ## write the generated documents anew
	$(BIN)/python docs/generate.py

bench: $(VENV)/dev.stamp  ## every benchmark, JSON beside them (some hours); QUICK=1 for three minutes that leave none
	@$(PIP) --require-hashes --no-deps -r locks/bench.txt || echo "Without torchvision: its side is left out."
	$(BIN)/python benchmarks/run.py $(STRIATE_TEST_DATA) $(if $(QUICK),--quick)

contract: $(VENV)/dev.stamp  ## what every network promises, in full on all three backends
	for backend in tensorflow jax torch; do \
	    KERAS_BACKEND=$$backend $(BIN)/python -m pytest -m "slow or not slow" tests/models || exit 1; \
	done

proof: $(VENV)/dev.stamp  ## the stories at full size, on the real data in STRIATE_TEST_DATA (about 20 minutes)
	$(BIN)/python -m pytest -m slow

reliability: $(VENV)/dev.stamp  ## what docs/reliability.md promises, in full on all three backends (about half an hour)
	KERAS_BACKEND=tensorflow $(TESTS) --dist load -m "slow or not slow" $(PROMISES) tests/reliability
	KERAS_BACKEND=jax $(TESTS) --dist load -m "slow or not slow" $(PROMISES) tests/reliability/test_kills.py
	KERAS_BACKEND=torch $(TESTS) --dist load -m "slow or not slow" $(PROMISES) tests/reliability/test_kills.py

serving: $(VENV)/dev.stamp  ## what docs/serving.md promises, at full size, and its figures (40 minutes; with the package wrk)
	$(BIN)/python -m pytest -m "slow or not slow" tests/exporters/test_same_everywhere.py tests/serving
	$(BIN)/python benchmarks/run.py $(STRIATE_TEST_DATA) --only shipping,serving

cluster: $(VENV)/dev.stamp  ## what docs/scale.md promises, in full, and its figures (half an hour)
	$(BIN)/python -m pytest -m "slow or not slow" tests/cluster tests/test_tune.py tests/inference/test_batch_job.py tests/data/test_shards.py
	KERAS_BACKEND=jax $(BIN)/python -m pytest -m "slow or not slow" tests/cluster/test_distributed_training.py
	KERAS_BACKEND=torch $(BIN)/python -m pytest -m "slow or not slow" tests/cluster/test_distributed_training.py
	$(BIN)/python benchmarks/run.py $(STRIATE_TEST_DATA) --only scale,scale_plan

mutants: $(VENV)/dev.stamp  ## plant faults, one at a time, and say which the tests catch (half an hour)
	$(BIN)/python tests/mutants/plant_faults.py --jobs $(WORKERS)

lock: $(VENV)/dev.stamp  ## resolve the dependencies anew
	$(COMPILE) locks/uv.in -o locks/uv.txt
	$(COMPILE) pyproject.toml locks/build.in --extra tensorflow -c locks/bounds.in -o locks/tensorflow.txt
	$(COMPILE) pyproject.toml locks/build.in --extra serve -o locks/serve.txt
	$(COMPILE) pyproject.toml locks/build.in locks/torch-needs.in --extra tensorflow --extra jax --extra parquet --extra heic --extra hf --extra tensorboard --extra umap --extra tune --extra ray --extra s3 \
	    --extra export --extra litert --extra openvino --extra serve \
	    --group dev -c locks/tensorflow.txt -c locks/bounds.in -o locks/dev.txt

clean:  ## remove everything that make made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build dist

$(VENV)/demo.stamp: locks/tensorflow.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Striate needs Python 3.11 or newer; $(PYTHON) is older. Try: make demo PYTHON=python3.12"; exit 1; }
	@echo "Installing what is needed into $(VENV) (once; about 2 GB and a minute or two)"
	$(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r locks/uv.txt || echo "uv is not available; pip installs instead, which takes longer."
	$(INSTALL) --require-hashes -r locks/tensorflow.txt || $(PIP) --require-hashes -r locks/tensorflow.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/demo.stamp locks/dev.txt locks/torch.txt
	$(INSTALL) --require-hashes -r locks/dev.txt || $(PIP) --require-hashes -r locks/dev.txt
	@$(INSTALL) --require-hashes --no-deps -r locks/torch.txt 2>/dev/null || \
	    $(PIP) --require-hashes --no-deps -r locks/torch.txt 2>/dev/null || \
	    echo "No CPU build of PyTorch was found; the tests on PyTorch will be left out."
	@touch $@
