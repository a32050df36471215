# penname serve, on the processor. Build: docker build -t penname .  Run: see compose.yaml. Not yet tried with Docker.
FROM python:3.11-slim

RUN useradd --create-home --uid 10001 penname && mkdir /data && chown penname /data
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
    -c constraints.txt '.[serve,postgres,openai]'

USER penname
ENV PENNAME_CACHE=/data/cache
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=120s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
ENTRYPOINT ["penname"]
CMD ["serve", "/data/run", "--host", "0.0.0.0", "--db", "sqlite:////data/penname.db"]
