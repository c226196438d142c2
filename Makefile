# Python 3.11: Triton's Python backend is built for it.
PYTHON ?= python3
UV = .venv/bin/uv
COMPILE = $(UV) pip compile --quiet --generate-hashes --python-version 3.11 --python-platform x86_64-manylinux_2_36 \
	--custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo up down test lint bench docs lock upgrade clean images cluster-test kind kind-test kind-down

help: ## show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: ## install what is missing: servers, models, packages, demo photos; safe to interrupt and repeat
	@$(PYTHON) -m infra.local.setup

setup-dev:
	@$(PYTHON) -m infra.local.setup --dev

demo: setup ## set up, start everything, import a catalogue, search it
	@.venv/bin/museum demo

up: setup ## start the stack and leave it running
	@.venv/bin/museum up --detach

down: ## stop the stack; what was stored stays
	@.venv/bin/museum down

test: lint ## set up, check types and style, run all tests
	@.venv/bin/pytest -q --ignore=tests/benchmarks

lint: setup-dev ## check types and style
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy --no-error-summary
	@echo "ruff and mypy: nothing to say"

bench: setup-dev ## measure; prints the README's table
	@.venv/bin/pytest -q -s tests/benchmarks

docs: setup-dev ## make the pictures of docs/registrar.ru.md with the page itself
	@.venv/bin/pytest -q tests/e2e/test_guide.py

images: ## build the three images; with REGISTRY=host/path push them and write images.yaml, which names them by digest
	@$(PYTHON) -m infra.images.release $(REGISTRY)

cluster-test: setup-dev ## test the chart on the one-node cluster of ../shared/cluster, where there is one
	@tests/cluster/one-node

kind: ## a Kubernetes on this machine with all of it: needs docker, kind, kubectl, helm
	@infra/kind/up

kind-test: setup-dev ## test the chart on it, in a namespace of its own
	@kind get kubeconfig --name museum > .museum-kind.kubeconfig
	@KUBECONFIG=$(CURDIR)/.museum-kind.kubeconfig MUSEUM_TEST_CLUSTER=on .venv/bin/pytest -q -s tests/cluster

kind-down: ## remove it, with its data
	@kind delete cluster --name museum --kubeconfig .museum-kind.kubeconfig; rm -f .museum-kind.kubeconfig

lock: setup-dev ## write requirements/*.txt anew; keeps the versions that still fit
	@$(COMPILE) requirements/uv.in -o requirements/uv.txt
	@$(COMPILE) pyproject.toml requirements/build.in --extra local -o requirements/local.txt
	@$(COMPILE) pyproject.toml requirements/build.in --extra local --extra dev -c requirements/local.txt -o requirements/dev.txt
	@$(COMPILE) requirements/triton.in -o requirements/triton.txt
	@$(COMPILE) requirements/scanner.in -o requirements/scanner.txt
	@$(COMPILE) --no-deps requirements/wheels.in -o requirements/wheels.txt
	@$(COMPILE) pyproject.toml -c requirements/local.txt -o requirements/functions.txt
	@$(COMPILE) --no-deps requirements/milvus.in -o requirements/milvus.txt
	@$(COMPILE) requirements/models.in -c requirements/local.txt -o requirements/models.txt
	@$(COMPILE) --python-version 3.12 requirements/engine.in -c requirements/local.txt -o requirements/engine.txt

upgrade: COMPILE += --upgrade
upgrade: lock ## the same, with the newest versions

clean: ## remove what set-up put into this folder; keeps the cache and the stacks' data
	@rm -rf .venv .venv-triton .venv-scanner .mypy_cache .ruff_cache .pytest_cache *.egg-info
