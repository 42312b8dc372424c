# Plaza's processes, one build: --target api, realtime, workers, and operator (`python -m social`).
# The Python that all tests run on; docs/decisions/0016-image-and-compose.md says how it is renewed.
ARG PYTHON=python:3.11.16-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b

# The packages, by hash. All are wheels but one, which is packed from its source without a compiler, by the locked setuptools.
FROM ${PYTHON} AS packages
COPY requirements/image.txt /build/
WORKDIR /build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_REQUIRE_HASHES=1 PIP_ONLY_BINARY=:all:
RUN python -m venv --without-pip /opt/plaza \
    && awk '/^setuptools==/,!/\\$/' image.txt >setuptools.txt \
    && pip --python /opt/plaza/bin/python install --requirement setuptools.txt \
    && pip --python /opt/plaza/bin/python install --no-build-isolation --no-binary socketify --requirement image.txt

# The code, compiled here: the file system it runs on cannot be written to.
FROM packages AS code
WORKDIR /app
COPY LICENSE ./
COPY social social
COPY api api
COPY realtime realtime
COPY workers workers
RUN /opt/plaza/bin/python -m compileall -q --invalidation-mode unchecked-hash .

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
