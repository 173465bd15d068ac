# Builds the server and puts it where the users of redis:7-alpine expect it.
FROM rust:1-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make redis-tools && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY benches benches
COPY .docker .docker
RUN .docker/build

FROM debian:bookworm-slim
RUN groupadd --system --gid 999 redis && useradd --system --uid 999 --gid redis --home-dir /data --no-create-home redis \
    && mkdir /data && chown redis:redis /data \
    && apt-get update && apt-get install -y --no-install-recommends redis-tools && rm -rf /var/lib/apt/lists/*
COPY .docker/entrypoint.sh /usr/local/bin/docker-entrypoint.sh
COPY --from=build /build/target/guided/vermilion /usr/local/bin/vermilion
RUN ln -s vermilion /usr/local/bin/redis-server && ln -s vermilion /usr/local/bin/redis-sentinel
# Inside a container the network is the fence: published ports are reached from outside on purpose.
ENV VERMILION_PROTECTED_MODE=no
VOLUME /data
WORKDIR /data
EXPOSE 6379
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["redis-server"]
