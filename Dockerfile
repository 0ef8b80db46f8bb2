# syntax=docker/dockerfile:1
# tests/deploy/test_image.py runs the steps of the first stage one by one.
# The base is a tag, which moves. A release pins its digest, so that the build can be repeated:
#   docker build --build-arg BASE=python:3.12-slim-bookworm@sha256:… .
# `docker buildx imagetools inspect python:3.12-slim-bookworm` prints the digest (docs/runbook.md, "Pin the base image").
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY deploy/build.lock deploy/requirements.lock ./
RUN python -m venv /build
RUN /build/bin/python -m pip install --quiet --require-hashes --no-deps --only-binary :all: -r build.lock
# Runtime dependencies only, with hashes. Nothing is compiled, so no compiler is needed.
RUN python -m venv --without-pip /opt/velero-chatops
RUN /build/bin/python -m pip --python /opt/velero-chatops/bin/python install --quiet --require-hashes --no-deps --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY operations operations
COPY tracking tracking
COPY commands commands
COPY policy policy
COPY notifier notifier
COPY velero velero
COPY store store
COPY domain domain
RUN /build/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /dist .
RUN /build/bin/python -m pip --python /opt/velero-chatops/bin/python install --quiet --no-deps --no-index --find-links /dist velero-chatops

FROM ${BASE}
RUN groupadd --gid 10001 velero-chatops \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin velero-chatops \
 && install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/velero-chatops
COPY --from=build /opt/velero-chatops /opt/velero-chatops
ENV PATH=/opt/velero-chatops/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
VOLUME /var/lib/velero-chatops
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=6 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["velero-chatops"]
CMD ["serve", "--config", "/etc/velero-chatops/velero-chatops.toml"]
