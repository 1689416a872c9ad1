# Everything that Vigilens needs is installed into .venv from a lock file with hashes; nothing else on the machine changes.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.installed
WORKERS := 4# processes for the tests, also on two cores: they mostly wait for services; each has its own broker (0.4 GB)
EXAMPLES := examples/consumers/typescript/node_modules/.package-lock.json
ASYNCAPI := .cache/asyncapi/node_modules/.package-lock.json
KUBERNETES := .cache/kubernetes/.installed
MILVUS := .cache/milvus-server/bin/milvus-server

help: ## show these lines
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: $(READY) ## set up, then stream pictures through a real broker and write an HTML report
	$(BIN)/vigilens demo

test: $(READY) $(MILVUS) $(EXAMPLES) $(ASYNCAPI) $(KUBERNETES) prometheus lint ## set up, then check style and types and run all tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: $(READY) ## check style (ruff) and types (mypy)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

prometheus: ## fetch Prometheus and Alertmanager for the tests of ops/ (Debian, without root), unless they are there
	@ops/prometheus/fetch.sh .cache/prometheus

dashboard: $(READY) ## make ops/grafana/vigilens.json from the metric names again
	$(BIN)/python -m ops.grafana.dashboard

bench: $(READY) ## measure pictures per second against a naive loop and through Kafka, and how long verdicts take
	$(BIN)/python -m benchmarks.throughput
	$(BIN)/python -m benchmarks.service
	$(BIN)/python -m benchmarks.latency

chaos: $(READY) ## kill and stall workers and brokers; count lost and doubled verdicts
	$(BIN)/python -m benchmarks.chaos --events 20000 --seconds 60 --brokers 3

lock: $(READY) ## resolve requirements.lock and the locks of tests again
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade --extra dev pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade tests/milvus-server.in -o tests/milvus-server.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-deps --upgrade tests/deployment/kubernetes-schemas.in -o tests/deployment/kubernetes-schemas.lock

clean: ## remove the files of demo and tests, and the environment
	rm -rf .demo .cache .venv .pytest_cache .mypy_cache .ruff_cache examples/consumers/typescript/node_modules examples/consumers/typescript/dist

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Vigilens needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@test -d .venv || $(PYTHON) -m venv .venv || { echo "Python's venv module is missing (Debian: apt install python3-venv)"; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check 'uv>=0.7'
	$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

# The real Milvus server, in a separate environment: the store's contract tests run on it and on Milvus Lite.
$(MILVUS): tests/milvus-server.lock $(READY)
	$(PYTHON) -m venv .cache/milvus-server
	$(BIN)/uv pip install --python .cache/milvus-server/bin/python --require-hashes -r tests/milvus-server.lock
	@touch $@

# Packages of the TypeScript example, and the parser that checks docs/asyncapi.yaml. No package runs code when it is installed.
$(EXAMPLES): examples/consumers/typescript/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: tests that need Node.js are skipped"; exit 0; }; \
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefix $(<D) && touch $@

$(ASYNCAPI): tests/contracts/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: tests that need Node.js are skipped"; exit 0; }; \
	mkdir -p .cache/asyncapi && cp tests/contracts/package*.json .cache/asyncapi && \
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefix .cache/asyncapi && touch $@

# Kubernetes' published schemas, and the definitions of KEDA's and the Prometheus operator's objects, which come as files
# of their Go modules.
KEDA := github.com/kedacore/keda/v2@v2.17.2
OPERATOR := github.com/prometheus-operator/prometheus-operator@v0.85.0
DEFINITIONS := $(KEDA)/config/crd/bases/keda.sh_scaledobjects.yaml \
	$(OPERATOR)/example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml \
	$(OPERATOR)/example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml
$(KUBERNETES): tests/deployment/kubernetes-schemas.lock Makefile $(READY)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(@D) --no-deps --require-hashes -r $<
	@command -v go >/dev/null || { echo "go is missing: tests of KEDA's and Prometheus' objects are skipped"; exit 0; }; \
	export GOMODCACHE=$(CURDIR)/.cache/go GOFLAGS='-mod=mod -modcacherw' && go mod download $(KEDA) $(OPERATOR) && \
	install -m 644 $(addprefix .cache/go/,$(DEFINITIONS)) $(@D) && touch $@

.PHONY: help demo test lint prometheus dashboard bench chaos lock clean
