# Builds the server and puts it where redis:7-alpine's users expect it.
FROM rust:1-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY benches benches
RUN cargo build --locked --release

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends redis-tools && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 999 redis && useradd --system --uid 999 --gid redis --home-dir /data redis \
    && mkdir /data && chown redis:redis /data
COPY --from=build /build/target/release/vermilion /usr/local/bin/vermilion
RUN ln -s vermilion /usr/local/bin/redis-server
VOLUME /data
WORKDIR /data
USER redis
EXPOSE 6379
# Inside a container the network is the fence: published ports are reached from outside on purpose.
CMD ["redis-server", "--protected-mode", "no"]
