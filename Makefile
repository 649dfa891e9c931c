# Two commands do everything on a fresh Debian machine with Rust: `make demo` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export CARGO_TARGET_DIR ?= $(HOME)/.cache/noema/target
export NOEMA_CACHE ?= $(HOME)/.cache/noema
CARGO := cargo
NOEMA := $(CARGO_TARGET_DIR)/debug/noema

.PHONY: help
help: ## Lists the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.PHONY: deps
deps: ## Installs the Debian packages that the build and the tests need
	@./tests/scripts/install-deps.sh

.PHONY: weights
weights: deps ## Downloads and verifies SmolLM2-135M-Instruct and all-MiniLM-L6-v2
	@./inference-worker/models/fetch-weights.sh >/dev/null
	@./inference-worker/models/fetch-minilm.sh >/dev/null

.PHONY: peers
peers: deps ## Installs the official Move tools that the tests compare with
	@./tests/scripts/install-peers.sh

.PHONY: build
build: deps ## Builds the `noema` binary
	$(CARGO) build --locked -p noema

.PHONY: demo
demo: build weights ## Publishes two AI-aware packages on a local network and runs them
	@./tests/scripts/demo.sh $(NOEMA)

.PHONY: test
test: deps weights peers ## Runs every test
	$(CARGO) build --locked --workspace --all-targets
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --locked --workspace --no-fail-fast; \
	else \
		$(CARGO) test --locked --workspace --no-fail-fast; \
	fi

.PHONY: test-aarch64
test-aarch64: ## Runs the tests of the arithmetic under emulation of 64-bit ARM (ALL=1: the models' too)
	@./tests/scripts/test-aarch64.sh

.PHONY: cuda-compile
cuda-compile: deps ## Compiles every kernel of NVIDIA devices (no card needed) and looks for forbidden instructions
	@libraries=$$(./inference-worker/cuda/fetch-nvrtc.sh); \
	LD_LIBRARY_PATH="$$libraries$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}" \
		$(CARGO) test --locked -p noema-cuda --features cuda

.PHONY: gpu-check
gpu-check: deps ## Compares an NVIDIA device with the processor bit by bit and measures it (has not been run on a card)
	@./tests/scripts/gpu-check.sh

.PHONY: lint
lint: deps ## Checks format and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --offline check licenses bans sources; fi

.PHONY: sim
sim: SEEDS ?= 20000
sim: deps ## Simulates SEEDS committees under faults and adversaries
	$(CARGO) run --locked -p noema-sim -- --seeds $(SEEDS)

.PHONY: sim-mutants
sim-mutants: deps ## Plants faults in the core and shows each caught by the simulator
	$(CARGO) run --locked -p noema-sim --features mutants -- mutants

.PHONY: test-official
test-official: deps peers ## Runs every comparison with the official Move compiler, reader, verifier and VM
	$(CARGO) test --locked -p noema-bytecode --test official
	$(CARGO) test --locked -p noema-verifier --test official_verdicts
	$(CARGO) test --locked -p noema-move-diff --test official --test traps
	$(CARGO) build --locked -p noema
	$(CARGO) test --locked -p noema-tests --test peers -- official

PROGRAMS ?= 1000
OFFICIAL ?= 0
.PHONY: move-diff
move-diff: deps peers ## Compares machines on PROGRAMS generated Move programs, OFFICIAL of them with the official VM
	$(CARGO) build --locked -p noema-move-diff
	$(CARGO_TARGET_DIR)/debug/move_diff --programs $(PROGRAMS) --official $(OFFICIAL)

FLIPS ?= 2000
.PHONY: move-flips
move-flips: deps peers ## Compares verifiers on FLIPS modules with flipped bits
	$(CARGO) build --locked -p noema-move-diff
	$(CARGO_TARGET_DIR)/debug/move_flips --flips $(FLIPS)

FUZZ_SECONDS ?= 60
.PHONY: fuzz-move
fuzz-move: deps ## Feeds the reader and verifier of Move binaries changed modules (FUZZ_SECONDS=60)
	$(CARGO) build --locked -p noema-move-diff
	$(CARGO_TARGET_DIR)/debug/fuzz_move --seconds $(FUZZ_SECONDS)

.PHONY: move-bombs
move-bombs: deps ## Measures time for gas on Move programs made to cost more than they pay
	$(CARGO) build --locked -p noema-move-diff
	$(CARGO_TARGET_DIR)/debug/move_bombs

.PHONY: test-asan
test-asan: deps ## Runs the tests of the fast interpreter's memory under AddressSanitizer
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)-asan \
		$(CARGO) test --locked --target x86_64-unknown-linux-gnu -p noema-vm

.PHONY: bench-move
bench-move: deps peers ## Measures the Move VM beside the reference interpreter and the official VM
	$(CARGO) build --locked -p noema-move-diff
	$(CARGO_TARGET_DIR)/debug/bench_move

.PHONY: bench
bench: build weights ## Measures the Move VM and inference, side by side with yardsticks
	@./tests/scripts/bench.sh $(NOEMA)

MINUTES ?= 10
.PHONY: campaign
campaign: deps ## Kills, cuts off and wipes real validators under load (MINUTES=10)
	$(CARGO) build --locked --workspace --bins
	$(CARGO_TARGET_DIR)/debug/campaign --minutes $(MINUTES)

JOBS ?= 10000
WORKERS ?= 3
.PHONY: kill-workers
kill-workers: deps ## Runs JOBS jobs through WORKERS workers that are killed at random, and checks every answer
	$(CARGO) build --locked --workspace --bins
	$(CARGO_TARGET_DIR)/debug/kill_workers --jobs $(JOBS) --workers $(WORKERS)

EDITS ?= 3000
.PHONY: lsp-edits
lsp-edits: deps ## Makes EDITS random edits through the Move language server and compares it with fresh ones
	NOEMA_LSP_EDITS=$(EDITS) $(CARGO) test --locked -p noema-lsp --test edits -- --nocapture

SECONDS ?= 600
.PHONY: soak
soak: deps ## Floods validators with all that one of them may sign and more, and watches memory (SECONDS=600)
	NOEMA_SOAK_SECS=$(SECONDS) $(CARGO) test --locked --workspace --test soak -- --nocapture

.PHONY: bench-consensus
bench-consensus: deps ## Measures consensus alone: throughput and latency of four validators
	$(CARGO) build --locked --workspace --example bench_validator
	@./tests/scripts/bench-consensus.sh $(CARGO_TARGET_DIR)/debug/examples/bench_validator

.PHONY: bench-network
bench-network: build weights ## Measures commit latency of four validators with and without inference
	$(CARGO) build --locked --workspace --bins
	@./tests/scripts/bench-network.sh $(NOEMA) $(CARGO_TARGET_DIR)/debug/bench_network

.PHONY: bench-inference
bench-inference: build weights ## Measures inference beside llama.cpp on the same weights (builds llama.cpp once)
	@./tests/scripts/bench-inference.sh $(NOEMA)

.PHONY: bench-quality
bench-quality: build weights ## Measures what the arithmetic costs in quality, against an f32 forward pass
	$(CARGO) build --locked --workspace --example reference
	@./tests/scripts/bench-quality.sh $(NOEMA) $(CARGO_TARGET_DIR)/debug/examples/reference
