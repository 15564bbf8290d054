# One image for workers, beat, Flower, the sandbox and the operator's command.
FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE celeryconfig.py ./
COPY astakos_worker ./astakos_worker
COPY client ./client
RUN python -m venv /opt/astakos \
 && /opt/astakos/bin/pip install --no-cache-dir --constraint constraints.txt '.[sandbox]' flower

FROM python:3.11-slim
# Programs write only below /data, and none runs as root.
RUN useradd --system --uid 10001 --home-dir /data --no-create-home astakos \
 && install --directory --owner=astakos --mode=0750 /data
COPY --from=build /opt/astakos /opt/astakos
ENV PATH=/opt/astakos/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /data
USER 10001
CMD ["astakos-worker", "--help"]
