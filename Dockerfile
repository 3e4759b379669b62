# One image for every process of the hub; the command decides which (compose.yaml). Node and uv are there because most
# stdio servers are started with npx or uvx.
FROM node:22-bookworm-slim AS node

FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx

WORKDIR /app
COPY requirements.txt .
RUN pip install -r requirements.txt uv
COPY . .
RUN useradd --create-home --uid 1000 mcphub && install -d -o mcphub /data

USER mcphub
ENV MCPHUB_DATA_DIR=/data HOST=0.0.0.0
VOLUME /data
EXPOSE 3000
# The embedded default: one process, SQLite, nothing else needed.
CMD ["python", "manage.py", "runhub"]
