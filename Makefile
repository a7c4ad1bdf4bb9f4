# The commands of the project. `make run`, `make demo` and `make test` install what they need.

SHELL := /bin/bash
CARGO := cargo
export SQLX_OFFLINE ?= true

.PHONY: help run demo test bench chaos check sqlx openapi psql postgres pgbouncer browser clients libraries generators upgrade image sbom deb

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: postgres ## build and start the service on 127.0.0.1:8080, with data in ./data
	$(CARGO) build --release --locked
	exec target/release/context-services

# A debug build, like that of the tests, whose dependencies the demo uses to call the service.
demo: postgres ## build and start the service with a demo world on 127.0.0.1:8090, with data in ./data-demo
	$(CARGO) build --locked --bin context-services --example demo
	exec target/debug/examples/demo

test: postgres pgbouncer browser clients ## run all tests
	$(CARGO) test --locked

bench: postgres ## run the benchmarks, which take minutes
	$(CARGO) build --release --locked --features floor
	cp target/release/context-services target/release/context-services-floor
	$(CARGO) bench --locked --bench load

chaos: postgres ## inject faults under load, CHAOS_CYCLES times (200), and check that nothing is lost; needs root and strace
	$(CARGO) bench --locked --bench chaos

libraries: ## pack, install and test the client libraries against a service that is repeatedly killed
	.ci/libraries

generators: ## lint openapi.json, and generate, compile and run clients from it
	.ci/generators

PREVIOUS ?= v0.1.0
upgrade: postgres ## under load, upgrade nodes one by one from PREVIOUS (v0.1.0; a commit or tag) to this tree, and go back
	rm -rf target/previous && git worktree prune && git worktree add --detach target/previous $(PREVIOUS)
	cd target/previous && $(CARGO) build --release --locked --target-dir ../previous-build
	$(CARGO) build --release --locked
	.ci/upgrade target/previous-build/release/context-services target/release/context-services

image: ## build the container image context-services; needs Docker
	docker build --build-arg CONTEXT_SERVICES_COMMIT="$$(git rev-parse --short=12 HEAD)" --tag context-services .

sbom: ## write the program's bill of materials, target/context-services.cdx.json
	@.ci/sbom

deb: sbom ## build the Debian package, target/debian/*.deb; needs dpkg-dev
	$(CARGO) build --release --locked
	.ci/deb

check: ## check formatting, lints and documentation, as .ci/run does
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --document-private-items --lib --example demo

sqlx: postgres ## regenerate .sqlx/ after a change of a query or migration
	.ci/sqlx

openapi: postgres ## regenerate openapi.json after a change of a route, body or error
	UPDATE_OPENAPI=1 $(CARGO) test --locked --test it the_committed_document_is_the_generated_one

psql: ## open the embedded database of a running service in psql
	psql -h "$${DATA_DIR:-$$PWD/data}/postgres/run" -U context_services context_services

# Installs PostgreSQL if it is not installed.
postgres:
	@.ci/postgres

# Installs PgBouncer, for the test of a pooler in front of PostgreSQL, if it is not installed.
pgbouncer:
	@.ci/pgbouncer

# Installs a browser, its driver and axe-core, for the tests of pages, if they are not installed.
browser:
	@.ci/browser

# Installs Python, Node, the TypeScript compiler and a JDK, for tests with other clients, if they are not installed.
clients:
	@.ci/clients
