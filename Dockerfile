# One image for web, worker and scheduler; compose.yaml shows how they run together.
FROM python:3.12-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1

# What PDFs are made with: text shaping libraries and a font.
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
       libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY requirements.txt .
RUN pip install --require-hashes -r requirements.txt

COPY manage.py ./
COPY agencyportal agencyportal
COPY clients clients
COPY billing billing
COPY payouts payouts
COPY templates templates
COPY static static
RUN PORTAL_DATA_DIR=/tmp/build python manage.py collectstatic --no-input && rm -rf /tmp/build

RUN useradd --system --uid 10001 --home-dir /data portal && install -d -o portal -m 0700 /data
USER portal
ENV PORTAL_DATA_DIR=/data PORT=8000 PORTAL_LOG_FORMAT=json
VOLUME /data
EXPOSE 8000

HEALTHCHECK --interval=30s --timeout=5s CMD ["python", "-c", \
  "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz')"]

CMD ["sh", "-c", "exec gunicorn agencyportal.wsgi --bind 0.0.0.0:$PORT --workers 3 --access-logfile -"]
