# Exchequer. `make` lists the targets. Everything a target needs, it installs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BUILD := swift build -c release -j 2
BIN := .build/release/exchequer
MODEL := .models/SmolLM2-135M-Instruct.Q4_1.gguf
REQUANTISED := .models/SmolLM2-135M-Instruct.Q4_0.gguf

.PHONY: help deps browser venv venv-sim model llama build demo test soak mutants sanitize fuzz neon studies peers bench \
    format lint \
    docs clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

deps: ## Install the C libraries and Python that build, tests and demo need (apt, needs root)
	@Tests/Harness/install-deps.sh

browser: ## Install Chromium, in which a test looks at reports
	@Tests/Harness/install-deps.sh chromium

venv: deps ## Create .venv with the test chain, the compiler of the contracts and the clients
	@Tests/Harness/setup-venv.sh

model: venv ## Fetch the demonstration model into .models and check its hash
	@Tests/Harness/fetch-model.sh

venv-sim: deps ## Create .venv-sim with NumPy, Mesa, pandas, SALib and notebooks
	@Tests/Harness/setup-venv.sh .venv-sim Tests/Harness/requirements-sim.txt

llama: deps ## Create .venv-llama with a llama.cpp server, which stands behind nodes in tests
	@Tests/Harness/setup-venv.sh .venv-llama Tests/Harness/requirements-llama.txt

build: deps ## Build the release executable
	@echo "building (the first time takes about 8 minutes on 2 cores)"
	@$(BUILD) --product exchequer

demo: build model ## Run the whole house on real input, from chain to claims
	@$(BIN) demo

# Houses with nodes, all in one process. Tests that hold Swift's two threads for seconds would hold
# them up, so they run by themselves.
APART = ^GatewayTests\.
SWIFT_TEST = SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=3 \
	swift test -c release -j 2 --disable-testable-imports

# Hypothesis and random walks over the contracts keep one core busy for minutes and look at no clock:
# they run beside the tests of houses, which mostly wait.
CONTRACTS = $(wildcard Tests/Harness/test_contracts*.py)

test: model llama browser ## Run every test
	@swift build -c release -j 2 --build-tests
	@$(SWIFT_TEST) --skip '$(APART)'
	@$(SWIFT_TEST) --filter '$(APART)'
	@Tests/Harness/neon.sh
	@.venv/bin/python -m pytest -q $(CONTRACTS) >.build/contracts.log 2>&1 & beside=$$!; \
	    trap "kill $$beside 2>/dev/null" EXIT; \
	    .venv/bin/python -m pytest -q Tests/Harness $(addprefix --ignore=,$(CONTRACTS)); code=$$?; \
	    wait $$beside || code=1; cat .build/contracts.log; exit $$code

SECONDS_OF_SIMULATION ?= 3600
KILLS ?= 1000
OPERATIONS ?= 10000000
WIRE_OPERATIONS ?= 1000000
PAYOUTS ?= 100000
HOUSE_PAYOUTS ?= 10000

soak: model ## Kill 1,000 times, compare 11 million operations, pay 100,000 on bad nodes, simulate for an hour
	@swift build -c release -j 2 --build-tests
	@python3 Tests/Harness/soak.py --seconds $(SECONDS_OF_SIMULATION) --kills $(KILLS) \
	    --operations $(OPERATIONS) --wire-operations $(WIRE_OPERATIONS) --payouts $(PAYOUTS) \
	    --house-payouts $(HOUSE_PAYOUTS)

mutants: ## Break the code in small ways, each of which a test must notice
	@python3 Tests/Harness/mutants.py

sanitize: deps ## Run the commit path's tests under the thread and the address sanitizer
	@Tests/Harness/sanitize.sh

FUZZ_SECONDS ?= 60

fuzz: model ## Fuzz model files, tokenizers, chats, schemas and frames with libFuzzer, FUZZ_SECONDS each
	@Tests/Harness/fuzz.sh $(FUZZ_SECONDS)

neon: ## Build the kernels for ARM, run them under an emulator, compare with the golden hashes
	@Tests/Harness/neon.sh

studies: build venv-sim ## Compare studies with SALib, jsonschema and Ray; read them in notebooks
	@.venv-sim/bin/python -m pytest -q Tests/Studies
	@.venv-sim/bin/python -m pytest -q sim/python

peers: model ## Build llama.cpp and the simulators that the bench compares with
	@Tests/Harness/build-cmw.sh || echo "the bench will leave the C reference's rows empty" >&2
	@Tests/Harness/setup-venv.sh .venv-sim Tests/Harness/requirements-sim.txt \
	    || echo "the bench will leave NumPy's and Mesa's rows empty" >&2
	@Tests/Harness/build-llama.sh || echo "the bench will leave llama.cpp's column empty" >&2

bench: build peers ## Print the figures beside their peers
	@$(BIN) bench --model $(MODEL) $(patsubst %,--model %,$(wildcard $(REQUANTISED)))

format: ## Format all Swift
	@swift format -i --configuration .swift-format -r Sources Tests sim Package.swift

lint: ## Check the format of all Swift
	@swift format lint --strict --configuration .swift-format -r Sources Tests sim Package.swift

docs: ## Check the links of the documentation
	@python3 Tests/Harness/check_docs.py

clean: ## Remove what builds and runs made
	@rm -rf .build .demo
