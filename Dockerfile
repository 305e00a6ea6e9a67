# One image a service: `docker build --target catalog .`, and likewise `notifier` and `console`.
#
# Each holds its service, what is in `shared/` and its own hashed requirements, nothing of the
# others'.
# The first stages install; only what they made is copied, so no installer's leavings and no
# tests of libraries are in the images. PIP_INDEX_URL and PIP_TRUSTED_HOST may be given as
# build arguments where packages come from an index of one's own.

FROM python:3.13-slim AS build
ARG PIP_INDEX_URL
ARG PIP_TRUSTED_HOST
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
# Some wheels carry the symbols of their debuggers, tens of megabytes that `strip` takes off.
RUN apt-get update -qq && apt-get install -qq --yes --no-install-recommends binutils
# Wheels only: nothing is compiled here. Bytecode is, for a read-only container could not
# keep it; without times in it, so that the same files make the same layer.
COPY deploy/install-libraries .

FROM build AS catalog-libraries
COPY requirements/catalog.txt .
RUN sh install-libraries catalog.txt /libraries

FROM build AS notifier-libraries
COPY requirements/notifier.txt .
RUN sh install-libraries notifier.txt /libraries

FROM build AS console-libraries
COPY requirements/console.txt .
RUN sh install-libraries console.txt /libraries

FROM python:3.13-slim AS service
ENV PYTHONPATH=/app/shared:/app/libraries PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
# A new volume that is mounted there belongs to whom this folder does.
RUN install --directory --owner=10001 --group=10001 --mode=700 /tokens
# A number, which Kubernetes can tell from root.
USER 10001:10001
STOPSIGNAL SIGTERM
EXPOSE 8000
# Whether this process can do its own job, whatever its role: the database for an API,
# broker and consumer too for a relay or a worker.
HEALTHCHECK --interval=5s --timeout=10s --start-period=120s --retries=3 \
    CMD ["python", "-IS", "/app/healthcheck.py", "http://127.0.0.1:8000/health/ready"]
COPY deploy/healthcheck.py /app/
COPY shared /app/shared
COPY services/starting.py /app/services/

FROM service AS catalog
COPY --from=catalog-libraries /libraries /app/libraries
COPY services/catalog /app/services/catalog
ENTRYPOINT ["python", "-m", "services.catalog"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]

FROM service AS notifier
COPY --from=notifier-libraries /libraries /app/libraries
COPY services/notifier /app/services/notifier
ENTRYPOINT ["python", "-m", "services.notifier"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]

FROM service AS console
COPY --from=console-libraries /libraries /app/libraries
COPY services/console /app/services/console
ENTRYPOINT ["python", "-m", "services.console"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
