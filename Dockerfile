# Plaza's processes, one build: --target api, realtime, workers, and operator (`python -m social`). The last stage is the
# demo, everything on one port, because Render and Railway build the last stage and cannot name another.
# The Python that all tests run on; docs/decisions/0016-image-and-compose.md says how it is renewed.
ARG PYTHON=python:3.11.16-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b

FROM ${PYTHON} AS environment
WORKDIR /build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_REQUIRE_HASHES=1 PIP_ONLY_BINARY=:all:
RUN python -m venv --without-pip /opt/plaza

# The packages, by hash. All are wheels but one, which is packed from its source without a compiler, by the locked setuptools.
FROM environment AS packages
COPY requirements/image.txt /build/
RUN awk '/^setuptools==/,!/\\$/' image.txt >setuptools.txt \
    && pip --python /opt/plaza/bin/python install --requirement setuptools.txt \
    && pip --python /opt/plaza/bin/python install --no-build-isolation --no-binary socketify --requirement image.txt

# As above, with the embedded store and without S3 and traces.
FROM environment AS demo-packages
COPY requirements/run.txt /build/
RUN awk '/^setuptools==/,!/\\$/' run.txt >setuptools.txt \
    && pip --python /opt/plaza/bin/python install --requirement setuptools.txt \
    && pip --python /opt/plaza/bin/python install --no-build-isolation --no-binary socketify --requirement run.txt

# The code, compiled here: the file system it runs on cannot be written to.
FROM environment AS code
WORKDIR /app
COPY LICENSE ./
COPY social social
COPY api api
COPY realtime realtime
COPY workers workers
COPY clients/python/plaza_client plaza_client
COPY web/app web/app
COPY web/client/src web/client/src
RUN /opt/plaza/bin/python -m compileall -q --invalidation-mode unchecked-hash .

FROM code AS demo-code
COPY deploy/demo.sh deploy/demo.sh
COPY embedded embedded
RUN /opt/plaza/bin/python -m compileall -q --invalidation-mode unchecked-hash embedded

FROM ${PYTHON} AS plaza
# The native engine's event loop. Debian takes a superseded version out of its archive, so a pinned one soon fails to install.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libuv1 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 plaza \
    && useradd --uid 10001 --gid plaza --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin plaza \
    && for data in keys checks media mail; do install -d -o plaza -g plaza -m 0700 "/data/$data"; done
COPY --from=packages /opt/plaza /opt/plaza
COPY --from=code /app /app
ENV PATH=/opt/plaza/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LOG_STYLE=json \
    MEDIA_URL=file:/data/media \
    MAILER_URL=file:/data/mail
WORKDIR /app
USER 10001:10001
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Plaza" \
      org.opencontainers.image.description="A real-time, websocket-first social backend" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM plaza AS operator
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m", "social"]
CMD ["--help"]

FROM plaza AS workers
EXPOSE 8082
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "social.infra.process.healthy", "8082", "WORKERS_PORT"]
ENTRYPOINT ["python", "-m", "workers"]

FROM plaza AS realtime
EXPOSE 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "social.infra.process.healthy", "8081", "REALTIME_PORT"]
ENTRYPOINT ["python", "-m", "realtime"]

FROM plaza AS api
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "social.infra.process.healthy", "8080", "API_PORT"]
ENTRYPOINT ["python", "-m", "api"]

# The whole system behind one port, with its data on one disk. It begins as root only to take over the disk, which
# platforms mount as root's: deploy/demo.sh.
FROM ${PYTHON} AS demo
RUN groupadd --gid 10001 plaza \
    && useradd --uid 10001 --gid plaza --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin plaza
COPY --from=demo-packages /opt/plaza /opt/plaza
COPY --from=demo-code /app /app
ENV PATH=/opt/plaza/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LOG_STYLE=json \
    HOST=0.0.0.0 \
    PORT=8080 \
    PLAZA_VAR=/data \
    EMBEDDED_CACHE_MB=64 \
    PICTURE_DECODERS=1
WORKDIR /app
EXPOSE 8080
ARG VERSION=dev
ARG REVISION=unknown
# SecantusDB, the document store, is GPL-2.0. Nothing of Plaza imports it: it runs as a process of its own.
LABEL org.opencontainers.image.title="Plaza demo" \
      org.opencontainers.image.description="The whole of Plaza on one port, with SecantusDB (GPL-2.0) as its own process" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-only" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["sh", "-c", "exec python -m social.infra.process.healthy \"$PORT\""]
ENTRYPOINT ["sh", "deploy/demo.sh", "python", "-m", "embedded"]
