# The builder's Python and the final one are both CPython 3.11 on bookworm, so that compiled wheels fit. The final image
# takes Debian's python3: the official image carries pip in a lower layer, where no later step can take it out again.
FROM python:3.11-slim-bookworm AS builder
WORKDIR /build
# Without pip of its own; the builder's pip fills it from outside.
RUN python -m venv --without-pip /opt/dreamcatcher
COPY requirements.lock requirements-build.lock ./
RUN python -m pip --python /opt/dreamcatcher/bin/python install --no-cache-dir --no-compile --no-deps --require-hashes -r requirements.lock \
    && python -m pip install --no-cache-dir --no-deps --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY merge_bot merge_bot
# Bytecode is checked neither against clocks nor sources: copying changes the first, and nobody edits the second.
RUN python -m hatchling build -t wheel \
    && python -m pip --python /opt/dreamcatcher/bin/python install --no-cache-dir --no-compile --no-deps dist/*.whl \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/dreamcatcher/lib

FROM debian:bookworm-slim
# hadolint ignore=DL3008  # the newest of a stable release, security fixes included, is what a rebuild is for
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && python3 -m venv --without-pip /opt/dreamcatcher
COPY --from=builder /opt/dreamcatcher/lib/python3.11/site-packages /opt/dreamcatcher/lib/python3.11/site-packages
COPY --from=builder /opt/dreamcatcher/bin/dreamcatcher /usr/local/bin/dreamcatcher
ENV LANG=C.UTF-8 PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1
# Isolated (-I), because a workflow's own PYTHONPATH reaches the container and could name the workspace.
ENTRYPOINT ["/opt/dreamcatcher/bin/python", "-I", "-u", "-m", "merge_bot", "action"]
