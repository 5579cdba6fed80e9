# Two commands do all the set-up: `make demo` and `make test`. Each makes its own virtual environment.
PYTHON ?= python3
DEMO := .venv-demo/bin/python
DEVELOP := .venv/bin/python
SHARED ?= ../shared
# Two processes, a file's tests all in one of them. Base-size tests need 3 GB each.
PARALLEL ?= -n 2 --dist loadfile
EXAMPLE := examples/frozen_app
FROZEN := .venv-frozen/bin/python
# A library that was compiled from other sources than the ones beside it does not fit the Python that calls it.
NATIVE := $(wildcard native/*/*.[ch] native/*.py)
# What clang-format formats; .clang-format-ignore names the generated one.
C_FILES := $(wildcard native/*/*.[ch] native/*/*/*.[ch] web/*/*.[ch] tests/*/*.[ch])

.PHONY: demo test test-slow test-clusters native native-dist test-swift lint docs format nano frozen dist clean

demo: .venv-demo/.done  ## Route the model card's example prompts; installs the runtime only, no torch.
	$(DEMO) examples/demo.py

test: native  ## The default selection of tests: minutes on two cores. The last line is the coverage of the product.
	mkdir -p build
	OMP_NUM_THREADS=1 $(DEVELOP) -m slipcover -m pytest $(PARALLEL)
	@$(DEVELOP) -c 'import json; summary = json.load(open("build/coverage.json"))["summary"]; \
	    print("lines of the product that these tests run:", summary["percent_covered_display"], "%")'

# In the order of the files: files with many tests first would leave the few longest for one process at the end.
test-slow: native  ## What the default selection leaves out: base size, wheels in empty environments.
	OMP_NUM_THREADS=1 $(DEVELOP) -m pytest -m slow $(PARALLEL) --no-loadscope-reorder

test-clusters: native  ## Routers on real Ray and Spark clusters on this machine; Spark needs Java. Installs both.
	.venv/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[ray,spark]'
	OMP_NUM_THREADS=1 $(DEVELOP) -m pytest -m slow tests/cluster

native: .venv/.done  ## Compile the native library again where its sources have changed; installing has compiled it once.
	$(DEVELOP) native/build_hook.py

native-dist: .venv/.done  ## The C library for every platform, as archives in build/native-dist.
	$(DEVELOP) native/dist.py

test-swift:  ## The Swift package's tests, where Swift 6.0 or newer is on the PATH. Python's decisions need .venv.
	@if ! command -v swift > /dev/null; then echo "no swift on the PATH: nothing was tested"; exit 0; fi; \
	set -e; if [ -x $(DEVELOP) ]; then \
	    mkdir -p build; $(DEVELOP) -m benchmarks.conformance.expected artifacts/nano -o build/expected.jsonl; \
	    $(DEVELOP) -m benchmarks.conformance.chats artifacts/nano -o build/chats.jsonl; \
	    export VIBE_ROUTER_CHATS="$$PWD/build/chats.jsonl"; \
	    export VIBE_ROUTER_EXPECTED="$$PWD/build/expected.jsonl"; fi; \
	swift test -c release -Xswiftc -enable-testing

lint: native  ## Style, types, sizes and layers, dead names, stale documents.
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/clang-format --dry-run --Werror $(C_FILES)
	.venv/bin/mypy --strict
	$(DEVELOP) .ci/house.py
	$(DEVELOP) .ci/dead_names.py
	$(DEVELOP) docs/generate.py --check
	$(DEVELOP) -m benchmarks report --check

docs: native  ## Everything in the documents that a command produces: examples, command help, API, figures, plots.
	$(DEVELOP) -m benchmarks report
	$(DEVELOP) docs/generate.py

format: .venv/.done  ## Format the Python and the C files.
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	.venv/bin/clang-format -i $(C_FILES)

nano: .venv/.done  ## Train the bundled router again from the shared data and export it: under an hour on two cores.
	$(DEVELOP) -m nano --data $(SHARED)/data --out build/nano --compare artifacts/nano
	.venv/bin/router-export onnx build/nano -o artifacts/nano --reference transformers --significant-bits 15 --force
	.venv/bin/router-export native build/nano -o artifacts/nano --reference transformers --force

frozen: .venv-frozen/.done  ## Freeze the example application with PyInstaller; print its size and start time.
	$(FROZEN) -m PyInstaller --noconfirm --distpath build/frozen --workpath build/frozen-work $(EXAMPLE)/route_prompts.spec
	$(FROZEN) -m PyInstaller --noconfirm --distpath build/frozen-one-file --workpath build/frozen-work \
	    $(EXAMPLE)/route_prompts.spec -- --one-file
	$(FROZEN) $(EXAMPLE)/measure.py build/frozen/route-prompts build/frozen-one-file

dist: .venv/.done  ## The source distribution, a wheel for each platform, and one without a library, into dist/.
	$(DEVELOP) -m build --no-isolation --sdist
	set -e; for platform in linux-x86_64 linux-arm64 macos-x86_64 macos-arm64 none; do \
	    VIBE_ROUTER_NATIVE=$$platform $(DEVELOP) -m build --no-isolation --wheel; done

clean:
	rm -rf .venv .venv-demo .venv-frozen .build build dist runtime/vibe_router/_native

.venv-demo/.done: pyproject.toml $(NATIVE)
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

.venv-frozen/.done: pyproject.toml constraints.txt $(NATIVE)
	$(PYTHON) -m venv .venv-frozen
	.venv-frozen/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e . pyinstaller
	touch $@
