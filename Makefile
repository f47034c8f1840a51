# Every target sets up what it needs: each works as the first command on a fresh clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS := $(VENV)/.peers

.PHONY: setup demo test check format bench torture simulate fuzz fault-matrix clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt hatch_build.py $(wildcard actors/*/*.c actors/*/*.h)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,fast]"
	@touch $(STAMP)

# Programs that are not ours, which judge the sandboxes and the hub; where they cannot be had their tests skip.
$(PEERS): $(STAMP) tests/kit/peers.py
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[peers]" \
		&& $(BIN)/python tests/kit/peers.py && touch $(PEERS) \
		|| echo "Not all programs that are not ours can be installed: the tests that use them will skip."

demo: $(STAMP)
	$(BIN)/iot2crm demo

# The files are dealt to as many processes as there are cores (four at most), long ones first; the tests of one file stay
# together. WORKERS=0 runs them one after the other in one process.
WORKERS ?= auto
test: export PYTHONDONTWRITEBYTECODE := # hundreds of processes import the hub: none compiles it anew
test: $(STAMP) $(PEERS)
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[bench]"
	$(BIN)/iot2crm bench run --output bench.json

# Journals HISTORY messages, then kills the hub KILLS times under load with faulting CRMs; the last line holds the
# figures. Some minutes for a million messages, then under 2 s a kill. Ctrl-C judges what was done by then.
KILLS ?= 1000
HISTORY ?= 1000000
torture: $(STAMP)
	$(BIN)/python -m hub.torture --kills $(KILLS) --history $(HISTORY) --start-limit 2 $(if $(SEED),--seed $(SEED))

# Runs SEEDS universes in virtual time (and a quarter as many with hubs of four shards), and hunts every planted fault;
# the last line holds the figures.
SEEDS ?= 2000
simulate: $(STAMP)
	$(BIN)/python -m hub.simulation --seeds $$(( ($(SEEDS) + 3) / 4 )) --shards 4 $(if $(FIRST),--first $(FIRST))
	$(BIN)/python -m hub.simulation --seeds $(SEEDS) --planted $(if $(FIRST),--first $(FIRST))

# Lets every CRM do everything wrong at every moment of an order, at its sandbox; prints a table a CRM, the last line holds
# the figures. Some minutes; ONLY is a regular expression over TROUBLE/CRM/REQUEST/PHASE.
fault-matrix: $(STAMP)
	$(BIN)/python -m hub.fault_matrix $(if $(ONLY),--only '$(ONLY)') $(if $(SEED),--seed $(SEED))

# Gives INPUTS bytes that nobody vouches for to every reader (CoAP, SenML, LwM2M, HTTP, OPC UA): nothing may crash or hang,
# and every refusal has a code; the last line holds the figures. Some minutes; 2,000 inputs each are in `make test`.
INPUTS ?= 200000
fuzz: $(STAMP)
	$(BIN)/python tests/fuzz --inputs $(INPUTS) $(if $(SEED),--seed $(SEED))

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
