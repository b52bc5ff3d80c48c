# The HTTP service: `docker compose up`, then http://127.0.0.1:8000.
FROM python:3.13-slim AS build
WORKDIR /source
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY digitrec digitrec
RUN python -m venv /opt/digitrec \
    && /opt/digitrec/bin/pip install --no-cache-dir '.[serve,onnx]'

FROM python:3.13-slim
COPY --from=build /opt/digitrec /opt/digitrec
RUN useradd --system --uid 10001 --create-home --home-dir /data digitrec
USER digitrec
WORKDIR /data
ENV PATH=/opt/digitrec/bin:$PATH \
    DIGITREC_DATA=/data \
    PYTHONDONTWRITEBYTECODE=1
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
# Within the container it must listen on all addresses; compose.yaml publishes it on loopback only.
ENTRYPOINT ["digitrec", "serve", "--host", "0.0.0.0", "--port", "8000"]
