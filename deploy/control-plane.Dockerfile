# The control plane alone. Build it from the top of the tree:
#   docker build --file deploy/control-plane.Dockerfile --tag camfleet-control-plane .
FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY requirements/build.txt requirements/control-plane.txt requirements/
RUN python -m venv /opt/camfleet \
    && /opt/camfleet/bin/pip install --no-cache-dir --require-hashes --requirement requirements/control-plane.txt \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --requirement requirements/build.txt
# After the locks, so that a change of ours does not install everything else again.
COPY shared shared
COPY migrations migrations
COPY services/control_plane services/control_plane
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels ./shared ./services/control_plane \
    && /opt/camfleet/bin/pip install --no-cache-dir --no-deps wheels/*.whl

FROM python:3.11-slim-bookworm
# The same number as the recorder's image has, so that both can share a volume of footage.
RUN useradd --system --uid 10001 --home-dir /var/lib/camfleet --create-home camfleet \
    && install --directory --owner camfleet --group camfleet --mode 0750 /var/lib/camfleet/data /footage
COPY --from=build /opt/camfleet /opt/camfleet
ENV PATH=/opt/camfleet/bin:$PATH PYTHONUNBUFFERED=1 HOST=0.0.0.0 DATA_DIR=/var/lib/camfleet/data LOG_FORMAT=json
USER camfleet
WORKDIR /var/lib/camfleet
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ.get(\"PORT\") or 8000}/health/', timeout=8)"]
ENTRYPOINT ["control-plane"]
CMD ["serve"]
