# syntax=docker/dockerfile:1
# The service, the workers of a Dask cluster and the command line, in one image: docs/container.md.

ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS build
ARG EXTRAS=postgresql,cluster
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY gmmlabel gmmlabel
COPY api api
COPY models models
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip wheel --quiet --no-deps --wheel-dir /wheels . \
    && python -m venv --without-pip /opt/gmmlabel \
    && python -m pip --python /opt/gmmlabel/bin/python install --quiet \
        "$(echo /wheels/gmmlabel-*.whl)[${EXTRAS}]"
# The kernels, compiled for every processor of the architecture: by default numba compiles for the
# one it is on, and an image that was built elsewhere would compile them again at each start.
ENV NUMBA_CPU_NAME=generic \
    NUMBA_CACHE_DIR=/opt/gmmlabel/cache/numba \
    MPLCONFIGDIR=/opt/gmmlabel/cache/matplotlib
RUN PATH="/opt/gmmlabel/bin:$PATH" \
    && gmmlabel phantom --out /tmp/ct.nrrd \
    && gmmlabel label /tmp/ct.nrrd --out /tmp/default \
    && gmmlabel label /tmp/ct.nrrd --out /tmp/published --method published \
    && python -I -c "import gmmlabel.api.working.prepared, matplotlib.font_manager"
COPY --chmod=0755 deploy/entrypoint /opt/gmmlabel/bin/entrypoint

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="gmmlabel" \
      org.opencontainers.image.description="Label the lung tissue of a chest CT. For research, not for diagnosis." \
      org.opencontainers.image.licenses="Apache-2.0"
# By number, so that an orchestrator can see that it is not root.
RUN groupadd --gid 10001 gmmlabel \
    && useradd --uid 10001 --gid gmmlabel --home-dir /tmp --no-create-home \
        --shell /usr/sbin/nologin gmmlabel \
    && install -d -m 0700 -o gmmlabel -g gmmlabel /data
COPY --from=build /opt/gmmlabel /opt/gmmlabel
# /data and /tmp are all that is written to.
ENV PATH=/opt/gmmlabel/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    NUMBA_CPU_NAME=generic \
    NUMBA_CACHE_DIR=/tmp/gmmlabel/numba \
    MPLCONFIGDIR=/tmp/gmmlabel/matplotlib \
    GMMLABEL_HOST=0.0.0.0 \
    GMMLABEL_PORT=8000 \
    GMMLABEL_DATA=/data \
    GMMLABEL_MODELS=/data/models
WORKDIR /data
VOLUME ["/data"]
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['GMMLABEL_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["entrypoint"]
CMD ["gmmlabel", "serve"]
