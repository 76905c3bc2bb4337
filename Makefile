# This needs Linux with Rust, Python >= 3.11 (with venv), make and a C compiler. Everything else is fetched from package
# registries.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
PYTHON ?= python3
VENV := .venv
# The seconds that `make fuzz` runs, and the folder for its findings.
SECONDS ?= 600
FOUND ?= target/fuzz/found
# The numbers of employees that `make scale` compares. A million of them need about 25 GB of disk.
SIZES ?= 1000 100000

# The version that .cargo/mutants.toml was written for.
CARGO_MUTANTS := 27.1.0

# The number of tests that run at once. It is larger than the number of cores, because most tests wait for something.
# Each worker has a stack of its own.
WORKERS ?= 6

.PHONY: help demo up down client rust check test contract faults load scale fuzz corpus fmt venv requirements.txt mutants mutants-rust bench
.NOTPARALLEL:

help: ## lists the targets
	@sed -n 's/^\([a-z.-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

demo: venv ## turns a call into a voice: builds, starts a stack, explains each step, stops the stack; KEEP=1 keeps it, with its console
	@$(VENV)/bin/python -m local demo $(if $(KEEP),--keep)

up: venv ## starts the stack and keeps it: the console's address is printed, .local/stack.json says where everything is
	@$(VENV)/bin/python -m local up

down: venv ## stops the stack
	@$(VENV)/bin/python -m local down

client: venv ## the TypeScript client of openapi.yaml, a package for a frontend: client/understudy-client-….tgz
	@$(VENV)/bin/python -m local.npm pack

rust: ## format, lints and unit tests of the Rust code
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --locked

check: venv rust ## the quick checks, without a stack: the Rust code, the SQL, and how the files hang together
	$(VENV)/bin/pytest -n $(WORKERS) --dist worksteal tests/sql tests/structure

# The bundle is built once, here, where its progress is visible; then each worker deploys it.
test: venv rust ## every check; WORKERS=6 of them at once
	$(VENV)/bin/python -m local build
	$(VENV)/bin/pytest -n $(WORKERS) --dist loadfile

contract: venv ## checks that the vendors behave as we think, with real accounts and keys from the environment; see docs/vendors.md. ARGS="--yes --speak"
	@$(VENV)/bin/python -m tests.contract $(ARGS)

mutants: venv ## breaks each guard of the SQL, and checks that a test notices
	@$(VENV)/bin/python -m tests.sql.mutants

# CARGO_INCREMENTAL: a mutant changes one place, so that most of its package need not be compiled again.
mutants-rust: ## changes the Rust code that decides by itself, one place at a time, and checks that a test notices (hours). ARGS="--package wav"
	@cargo mutants --version 2>/dev/null | grep -qx 'cargo-mutants $(CARGO_MUTANTS)' || \
	  { echo "this needs cargo-mutants: cargo install cargo-mutants --version $(CARGO_MUTANTS) --locked" >&2; exit 1; }
	CARGO_INCREMENTAL=1 cargo mutants --output target $(ARGS)

faults: venv ## has each call fail and each function die, and checks that nothing is lost, doubled, orphaned or wrong (more than an hour)
	@$(VENV)/bin/python -m tests.faults

load: venv ## sends many callbacks at once, with slow vendors, and checks that nothing is lost or doubled
	@$(VENV)/bin/python -m tests.load

scale: venv ## compares the cost of the database's calls as the tables grow. SIZES="1000 100000" employees, ten recordings each
	@$(VENV)/bin/python -m tests.scale --sizes $(SIZES)

bench: venv ## the functions beside the least there can be and beside a Python peer: start, memory, size, calls outside; ARGS="--write"
	@$(VENV)/bin/python -m bench.functions $(ARGS)

fuzz: ## tries random bytes as recordings, for SECONDS=600, to find some that break the way to a sample
	@mkdir -p $(FOUND)
	cd fuzz && cargo run --quiet --locked -- -max_total_time=$(SECONDS) -timeout=120 -rss_limit_mb=96 -dict=wav.dict \
	  -print_final_stats=1 -artifact_prefix=$(abspath $(FOUND))/ $(abspath $(FOUND)) corpus

corpus: ## keeps the smallest part of the seeds and of the inputs that fuzzing found with the same coverage
	@rm -rf target/fuzz/seeds target/fuzz/least && mkdir -p $(FOUND) target/fuzz/least
	$(PYTHON) fuzz/seeds.py target/fuzz/seeds
	cd fuzz && cargo run --quiet --locked -- -set_cover_merge=1 $(abspath target/fuzz/least) $(abspath target/fuzz/seeds) corpus $(abspath $(FOUND))
	rm -r fuzz/corpus && mv target/fuzz/least fuzz/corpus

fmt: ## formats the Rust code
	cargo fmt --all

# The lock keeps two copies of make in one checkout apart. installed.txt is the requirements.txt of the last
# installation. pip is updated first, because the pip of an older Python cannot check the hashes of packages with
# extras.
venv:
	@flock .venv.lock sh -ec ' \
	  cmp -s requirements.txt $(VENV)/installed.txt && exit; \
	  echo "installing the pinned tools into $(VENV) (about a minute) …"; \
	  $(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "$(PYTHON) is older than 3.11" >&2; exit 1; }; \
	  test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV); \
	  $(VENV)/bin/pip install --quiet --disable-pip-version-check pip==26.3; \
	  $(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt; \
	  cp requirements.txt $(VENV)/installed.txt'

requirements.txt: ## resolves requirements.in again, to the newest versions, each with the hashes of its files
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && $(PYTHON) -m venv "$$tools" && \
	"$$tools/bin/pip" install --quiet --disable-pip-version-check uv==0.13.9 && \
	"$$tools/bin/uv" pip compile requirements.in --upgrade --generate-hashes --universal --python-version 3.11 --no-annotate --no-strip-extras --quiet \
	  --custom-compile-command "make requirements.txt" --output-file requirements.txt
