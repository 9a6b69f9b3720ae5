# make up | down | test | check | bench | long | fmt: README.md and docs/operating.md tell what each does.
SHELL := /bin/sh
PORT ?= 8000
PYTHON := .venv/bin/python

.PHONY: help up down test check bench long fmt

help:
	@echo "make up [PORT=8000] [SIMULATE=1]   a whole cloud on this machine, with a first accelerator"
	@echo "make down [PURGE=1]                end it; PURGE=1 forgets its data, too"
	@echo "make test                          every test, against real servers and the pod in a box"
	@echo "make check                         format, lint, types, imports, migrations, shell, OpenAPI"
	@echo "make bench                         benchmarks, into var/bench.json"
	@echo "make long                          a hundred random kills, a host cut off for a minute"
	@echo "make fmt                           format the code"

up:
	@scripts/up.sh "$(PORT)" "$(SIMULATE)"

down:
	@scripts/down.sh "$(PURGE)"

test:
	@scripts/test.sh $(ARGS)

check:
	@scripts/check.sh

bench:
	@scripts/install.sh test
	@scripts/servers.sh $(PYTHON) -m tests.bench $(ARGS)

# The long proofs: a hundred random kills, and a host cut off for a minute. About fifteen minutes.
long:
	@scripts/install.sh test
	@MCP_REQUIRE=lab,postgres,redis MCP_KILLS=$${MCP_KILLS:-100} MCP_CUT_S=$${MCP_CUT_S:-60} scripts/servers.sh $(PYTHON) -m pytest \
		tests/scenarios/test_kill.py tests/scenarios/test_faults.py $(ARGS)

fmt:
	@scripts/install.sh check
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .
