# Dockerfile -- one image with the three daemons; which one runs is the command.
FROM debian:12-slim AS build
WORKDIR /src
COPY script/bootstrap script/bootstrap
RUN apt-get update && script/bootstrap && rm -rf /var/lib/apt/lists/*
COPY . .
RUN script/build release

FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
        libpq5 libevent-2.1-7 libcjson1 libcurl4 libjq1 libsodium23 libssl3 libsystemd0 \
        ca-certificates curl python3 postgresql-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home /var/lib/dovetail --create-home dovetail
COPY --from=build /src/build/bin /opt/dovetail/build/bin
COPY --from=build /src/script /opt/dovetail/script
COPY --from=build /src/sync-bridge/bridge.json /opt/dovetail/sync-bridge/bridge.json
COPY --from=build /src/sync-bridge/mappings /opt/dovetail/sync-bridge/mappings
ENV PATH=/opt/dovetail/build/bin:$PATH
USER dovetail
VOLUME /var/lib/dovetail
