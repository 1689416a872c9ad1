# syntax=docker/dockerfile:1
# The service as an image: `docker build -t vigilens .`
#
# It contains every package of the wheel, also `benchmarks`: `python -m benchmarks.copies DIR` measures your own pictures.
# It does not contain the extras (broker and photographs of the demo, the other benchmarks' clients), the tests and docs.
# It runs as uid 10001, which must be able to read mounted folders.
#
# All packages have the versions and hashes of requirements.lock. PyTorch from PyPI includes NVIDIA's libraries: 5 GB that
# the default encoder does not need. For a machine without a GPU use PyTorch's CPU wheels of the same version, which are
# much smaller:
#     docker build --build-arg TORCH_BACKEND=cpu -t vigilens .
# They come from download.pytorch.org; our lock does not have their hashes, so hashes are not checked in that build.

FROM python:3.11.14-slim-bookworm AS build
ARG TORCH_BACKEND=""
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON=/opt/vigilens/bin/python
RUN pip install --no-cache-dir uv==0.13.9 && uv venv --python /usr/local/bin/python3 /opt/vigilens
WORKDIR /src

# Dependencies first: this layer is reused if only our own code changes. The lock is a constraint here, not a list of
# packages to install, so that the extras demo and dev are not installed; uv also checks the hashes of constraints.
COPY pyproject.toml requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --constraint requirements.lock --requirements pyproject.toml --extra heic --extra jxl --extra otlp \
    ${TORCH_BACKEND:+--torch-backend "$TORCH_BACKEND" --no-verify-hashes}

COPY README.md LICENSE ./
COPY config config
COPY patience patience
COPY embedding embedding
COPY vectors vectors
COPY reference_sets reference_sets
COPY matcher matcher
COPY consumer consumer
COPY alerting alerting
COPY vigilens vigilens
COPY harness harness
COPY demo demo
COPY benchmarks benchmarks
COPY training training
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --no-deps --build-constraint requirements.lock .

FROM python:3.11.14-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/vigilens --create-home vigilens
COPY --from=build /opt/vigilens /opt/vigilens
ENV PATH=/opt/vigilens/bin:$PATH PYTHONUNBUFFERED=1 VIGILENS_HTTP__HOST=0.0.0.0
USER vigilens
WORKDIR /var/lib/vigilens
EXPOSE 9464

# /live, not /ready: a service that waits for Kafka or Milvus is healthy and must not be restarted.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/live', timeout=4)"]

# After SIGTERM the service finishes the work that it has taken; Docker waits 10 s for that by default.
STOPSIGNAL SIGTERM
ENTRYPOINT ["vigilens"]
CMD ["run"]
