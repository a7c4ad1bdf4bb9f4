# The service without PostgreSQL: set DATABASE_URL to a database. docker-compose.yml runs both.

FROM rust:1-bookworm AS build
WORKDIR /src
ENV SQLX_OFFLINE=true
# For `--version`: docker build --build-arg CONTEXT_SERVICES_COMMIT=$(git rev-parse --short=12 HEAD) .
ARG CONTEXT_SERVICES_COMMIT
COPY . .
# The caches of the registry and the target directory speed up later builds.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked \
 && cp target/release/context-services /context-services

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="context-services" \
      org.opencontainers.image.description="Records the context of customer journeys (services, states and tasks) in PostgreSQL" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
# For TLS to the database; the image has no certificates of its own.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /context-services /usr/local/bin/context-services
# The service writes no file: the root may be read-only, and there need be no shell.
WORKDIR /
USER 10001:10001
ENV BIND_ADDRESS=0.0.0.0:8080
EXPOSE 8080
# With TLS or without, at the BIND_ADDRESS of the environment.
HEALTHCHECK --interval=15s --timeout=6s --start-period=30s CMD ["context-services", "healthcheck"]
ENTRYPOINT ["context-services"]
