# `make run` and `make test` are all a newcomer needs; `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && { echo $$p; break; }; done)
PIP := .venv/bin/python -m pip --quiet --disable-pip-version-check --no-input

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "make %-12s %s\n", $$1, $$2}'

run: .venv/run.stamp ## start the whole system on this machine (data in var/)
	@exec .venv/bin/python -m embedded

test: .venv/dev.stamp node_modules/.stamp ## lint, types, import rules and every test
	@sh tests/install-servers.sh
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m pytest

docs: .venv/dev.stamp ## write docs/openapi.json and docs/asyncapi.json again
	.venv/bin/python -m embedded.documents

lock: .venv/dev.stamp ## choose new dependency versions and pin them by hash
	.venv/bin/python -m pip install --quiet uv
	.venv/bin/uv pip compile -q pyproject.toml --extra embedded $(LOCK) -o requirements/run.txt
	.venv/bin/uv pip compile -q pyproject.toml --extra embedded --extra load --extra dev $(LOCK) -o requirements/dev.txt
LOCK := --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --upgrade \
	--prerelease=if-necessary-or-explicit --python-version 3.11

clean: ## forget the virtual environment and the data of make run
	rm -rf .venv node_modules var

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Plaza needs Python 3.11, 3.12 or 3.13; none is on the PATH (or name one: make run PYTHON=/path/to/python3)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "this Python cannot make a virtual environment: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/run.stamp: requirements/run.txt | .venv/bin/python
	@echo "installing packages into .venv (once)"
	@$(PIP) install --require-hashes -r requirements/run.txt
	@touch $@

.venv/dev.stamp: requirements/dev.txt | .venv/bin/python
	@echo "installing packages into .venv (once)"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@ .venv/run.stamp

# The official JavaScript client, which the tests talk through; without node those tests are skipped (never where CI=true).
node_modules/.stamp: package.json package-lock.json
	@if command -v npm >/dev/null 2>&1; then npm ci --silent; else mkdir -p node_modules; fi
	@touch $@

.PHONY: help run test docs lock clean
