# An index of commands. `make run` and `make test` do all of their set-up themselves.

SHELL := /bin/bash
CARGO := cargo
export SQLX_OFFLINE ?= true

.PHONY: help run demo test bench chaos check sqlx openapi psql postgres pgbouncer browser clients libraries

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: postgres ## build and start the service on 127.0.0.1:8080; data stay in ./data
	$(CARGO) build --release --locked
	exec target/release/context-services

demo: postgres ## the same with a demo world, on 127.0.0.1:8090; data stay in ./data-demo
	$(CARGO) build --release --locked
	BIND_ADDRESS=$${BIND_ADDRESS:-127.0.0.1:8090} exec target/release/context-services demo

test: postgres pgbouncer browser clients ## run every test
	$(CARGO) test --locked

bench: postgres ## measure the service and what bounds it; takes minutes
	$(CARGO) build --release --locked --features floor
	cp target/release/context-services target/release/context-services-floor
	$(CARGO) bench --locked --bench load

chaos: postgres ## break everything under load, CHAOS_CYCLES times (200), and see that nothing is lost; as root, with strace
	$(CARGO) bench --locked --bench chaos

libraries: ## pack, install and test the client libraries, against a service that is killed all the time
	.ci/libraries

check: ## formatter, lints and documentation, as in .ci/run
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --document-private-items

sqlx: postgres ## renew .sqlx/ after a query or migration has changed
	.ci/sqlx

openapi: postgres ## renew openapi.json after a route has changed
	UPDATE_OPENAPI=1 $(CARGO) test --locked --test it the_committed_document_is_the_generated_one

psql: ## open the embedded database of a running service
	psql -h "$${DATA_DIR:-$$PWD/data}/postgres/run" -U context_services context_services

# An installed PostgreSQL server: nothing to do where one is found, or where DATABASE_URL names another.
postgres:
	@.ci/postgres

# The same of a pooler, for the test of one between the service and PostgreSQL.
pgbouncer:
	@.ci/pgbouncer

# The same of a browser with its driver, for the tests of the pages.
browser:
	@.ci/browser

# What the client examples need: Python, and Node with the TypeScript compiler.
clients:
	@.ci/clients
