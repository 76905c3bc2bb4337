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

# The number of tests that run at once. It is larger than the number of cores, because most tests wait for something.
# Each worker has a stack of its own.
WORKERS ?= 6

# Tools that cargo compiles. They are kept in target/tools.
CARGO_DENY := cargo-deny@0.20.2
CARGO_CYCLONEDX := cargo-cyclonedx@0.5.9
CARGO_MUTANTS := cargo-mutants@27.1.0

.PHONY: help demo up down client rust deny advisories check test contract faults load scale fuzz corpus fmt venv requirements.txt mutants bench
.PHONY: cost campaign voices sbom reproducible mutants-rust $(CARGO_DENY) $(CARGO_CYCLONEDX) $(CARGO_MUTANTS)
.NOTPARALLEL:

help: ## lists the targets
	@awk -F ':.*## ' '/^##@ /{print "\n" substr($$0, 5)} /^[a-z.-]+:.*## /{printf "  make %-16s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Try it

demo: venv ## turns a call into a voice: builds, starts a stack, explains each step, stops the stack; KEEP=1 keeps it, with its console
	@$(VENV)/bin/python -m local demo $(if $(KEEP),--keep)

up: venv ## starts the stack and keeps it: the console's address is printed, .local/stack.json says where everything is
	@$(VENV)/bin/python -m local up

down: venv ## stops the stack
	@$(VENV)/bin/python -m local down

client: venv ## the TypeScript client of openapi.yaml, a package for a frontend: client/understudy-client-….tgz
	@$(VENV)/bin/python -m local.npm pack

##@ Check it

check: venv rust deny ## the quick checks, without a stack: the Rust code, its dependencies, the SQL, and how the files hang together
	$(VENV)/bin/pytest -n $(WORKERS) --dist worksteal tests/sql tests/structure

# The bundle is built once, here, where its progress is visible; then each worker deploys it.
test: venv rust deny ## every check; WORKERS=6 of them at once
	$(VENV)/bin/python -m local build
	$(VENV)/bin/pytest -n $(WORKERS) --dist loadfile

rust: ## format, lints and unit tests of the Rust code
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --locked

# Both lock files are checked. The fuzzer needs less than the bundle, so what it does not need is no warning.
DENY := target/tools/bin/cargo-deny --locked
deny: $(CARGO_DENY) ## licences, sources and duplicates of the dependencies, by the rules in deny.toml
	$(DENY) check -D warnings bans licenses sources
	$(DENY) --manifest-path fuzz/Cargo.toml check -D warnings -A license-not-encountered -A unmatched-skip bans licenses sources

fmt: ## formats the Rust code
	cargo fmt --all

##@ Check it for longer

faults: venv ## has each call fail and each function die, and checks that nothing is lost, doubled, orphaned or wrong (more than an hour)
	@$(VENV)/bin/python -m tests.faults

load: venv ## sends many callbacks at once, with slow vendors, and checks that nothing is lost or doubled
	@$(VENV)/bin/python -m tests.load

mutants: venv ## breaks each guard of the SQL, and checks that a test notices
	@$(VENV)/bin/python -m tests.sql.mutants

# CARGO_INCREMENTAL: a mutant changes one place, so that most of its package need not be compiled again. Nor is it optimised, since that takes longer than
# the tests (`sample` and `wav` still are).
mutants-rust: $(CARGO_MUTANTS) ## changes the Rust code that decides by itself, one place at a time, and checks that a test notices (hours). ARGS="--package wav"
	CARGO_INCREMENTAL=1 CARGO_PROFILE_DEV_OPT_LEVEL=0 target/tools/bin/cargo-mutants mutants --output target $(ARGS)

fuzz: ## tries random bytes as recordings, for SECONDS=600, to find some that break the way to a sample
	@mkdir -p $(FOUND)
	cd fuzz && cargo run --quiet --locked -- -max_total_time=$(SECONDS) -timeout=120 -rss_limit_mb=96 -dict=wav.dict \
	  -print_final_stats=1 -artifact_prefix=$(abspath $(FOUND))/ $(abspath $(FOUND)) corpus

corpus: ## keeps the smallest part of the seeds and of the inputs that fuzzing found with the same coverage
	@rm -rf target/fuzz/seeds target/fuzz/least && mkdir -p $(FOUND) target/fuzz/least
	$(PYTHON) fuzz/seeds.py target/fuzz/seeds
	cd fuzz && cargo run --quiet --locked -- -set_cover_merge=1 $(abspath target/fuzz/least) $(abspath target/fuzz/seeds) corpus $(abspath $(FOUND))
	rm -r fuzz/corpus && mv target/fuzz/least fuzz/corpus

scale: venv ## compares the cost of the database's calls as the tables grow. SIZES="1000 100000" employees, ten recordings each
	@$(VENV)/bin/python -m tests.scale --sizes $(SIZES)

contract: venv ## checks that the vendors behave as we think, with real accounts and keys from the environment; see docs/vendors.md. ARGS="--yes --speak"
	@$(VENV)/bin/python -m tests.contract $(ARGS)

advisories: $(CARGO_DENY) ## known vulnerabilities of the dependencies, and versions that were withdrawn; fetches the RustSec database from GitHub
	$(DENY) check -D warnings advisories
	$(DENY) --manifest-path fuzz/Cargo.toml check -D warnings advisories

##@ Measure it

bench: venv ## the functions beside the least there can be and beside a Python peer: start, memory, size, calls outside; ARGS="--write"
	@$(VENV)/bin/python -m bench.functions $(ARGS)

cost: venv ## dollars at AWS by job and by memory size, beside a Python peer; ARGS="--measure --write"
	@$(VENV)/bin/python -m bench.cost $(ARGS)

campaign: venv ## simulates campaigns of 10,000 clones under the vendors' limits, in seconds: the table and the plot of docs/scale.md
	@$(VENV)/bin/python -m bench.campaign --write

# Debian's torch, since PyPI's brings gigabytes for GPUs; with it comes Debian's Python, and the fast one of its BLAS.
METERS := target/voices/meters
voices: ## the sample of people whom the pipeline never saw, judged by others' meters; needs Debian's python3-torch; ARGS="--write"
	@/usr/bin/python3 -c 'import torch, venv' && test -e /usr/lib/x86_64-linux-gnu/libopenblas.so.0 && command -v ffmpeg >/dev/null || \
	  { echo "apt-get install --no-install-recommends python3-torch python3-venv libopenblas0-pthread ffmpeg" >&2; exit 1; }
	@cmp -s bench/voices/requirements.txt $(METERS)/installed.txt || { \
	  /usr/bin/python3 -m venv --system-site-packages $(METERS) && \
	  $(METERS)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement bench/voices/requirements.txt && \
	  cp bench/voices/requirements.txt $(METERS)/installed.txt; }
	@OMP_NUM_THREADS=1 $(METERS)/bin/python -m bench.voices $(ARGS)

##@ Deliver it

# cargo-cyclonedx writes beside each Cargo.toml, and names this folder. The date is the commit's, so a commit has the same bill wherever it is made.
sbom: $(CARGO_CYCLONEDX) ## the software bill of materials of each function, as CycloneDX: target/sbom/….cdx.json
	@mkdir -p target/sbom
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) target/tools/bin/cargo-cyclonedx cyclonedx --quiet --format json --spec-version 1.5 \
	  --target aarch64-unknown-linux-gnu --no-build-deps
	@for bill in functions/*/*.cdx.json; do sed 's#$(CURDIR)#/understudy#g' $$bill > target/sbom/$${bill##*/}; done
	@find . \( -path ./target -o -path ./.venv \) -prune -o -name '*.cdx.json' -exec rm {} +
	@ls target/sbom/*

reproducible: venv ## builds every function twice, in two folders, and compares the zips. ARGS="recording-webhook --architecture arm64"
	@$(VENV)/bin/python -m tests.reproducible $(ARGS)

requirements.txt: ## resolves each requirements.in again, to the newest versions, each with the hashes of its files
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && $(PYTHON) -m venv "$$tools" && \
	"$$tools/bin/pip" install --quiet --disable-pip-version-check uv==0.13.9 && \
	set -- "$$tools/bin/uv" pip compile --upgrade --generate-hashes --python-version 3.11 --no-annotate --no-strip-extras --quiet \
	  --custom-compile-command "make requirements.txt" && \
	"$$@" --universal requirements.in --output-file requirements.txt && \
	"$$@" --universal bench/functions/peer/requirements.in --output-file bench/functions/peer/requirements.txt && \
	"$$@" --python-platform x86_64-manylinux_2_28 --override bench/voices/left-out.txt bench/voices/requirements.in \
	  --output-file bench/voices/requirements.txt

# -- for the targets above

# Each is compiled once in a checkout. It runs for seconds, so optimising it would take longer than it saves.
$(CARGO_DENY) $(CARGO_CYCLONEDX) $(CARGO_MUTANTS):
	@test -x target/tools/bin/$(firstword $(subst @, ,$@)) || echo "compiling $@ (about a minute) …"
	@CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off cargo install --quiet --locked --root target/tools $@

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
