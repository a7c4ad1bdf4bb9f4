# The service without PostgreSQL: set DATABASE_URL to a database. docker-compose.yml runs both.

FROM rust:1-bookworm AS build
WORKDIR /src
ENV SQLX_OFFLINE=true
COPY . .
# The caches of the registry and the target directory speed up later builds.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked \
 && cp target/release/context-services /context-services

FROM debian:bookworm-slim
COPY --from=build /context-services /usr/local/bin/context-services
USER 10001:10001
ENV BIND_ADDRESS=0.0.0.0:8080
EXPOSE 8080
# The image contains bash, but neither curl nor wget.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${BIND_ADDRESS##*:} && printf 'GET /health/ready HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
ENTRYPOINT ["context-services"]
