# syntax=docker/dockerfile:1
# The recorder, from the root of the repository:
#   docker build --file deploy/recorder.Dockerfile --tag camfleet-recorder .
#   docker run --env-file recorder.env --volume footage:/data camfleet-recorder
FROM python:3.11-slim AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/recorder
COPY requirements/build.txt requirements/recorder.txt requirements/
RUN /opt/recorder/bin/pip install --require-hashes --only-binary :all: --requirement requirements/recorder.txt \
    && python -m venv builder \
    && builder/bin/pip install --require-hashes --requirement requirements/build.txt
COPY shared shared
COPY services/recorder services/recorder
RUN builder/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels ./shared ./services/recorder \
    && /opt/recorder/bin/pip install --no-deps --no-index wheels/*.whl \
    && /opt/recorder/bin/pip check

FROM python:3.11-slim
COPY --from=build /opt/recorder /opt/recorder
RUN useradd --uid 10001 --create-home --home-dir /data --shell /usr/sbin/nologin recorder
USER 10001
WORKDIR /data
VOLUME /data
ENV PATH=/opt/recorder/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    RECORDING_BASE_DIR=/data STATUS_HOST=127.0.0.1 STATUS_PORT=8001 LOG_FORMAT=json
# SIGTERM seals what is open within 10 s; stop with `--time 20`.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['STATUS_PORT']}/health\", timeout=4)"]
ENTRYPOINT ["recorder"]
CMD ["run"]
