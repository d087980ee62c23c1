# Puna in a container; compose.yaml runs it, docs/service.md#in-a-container tells how.
#
# The base decides what it can compute on: Ubuntu's for processors; NVIDIA's, which has the compiler
# of CUDA in it, for GPUs. There, `puna engine build --cuda` makes an engine for the very GPUs.
ARG BASE=ubuntu:24.04
FROM ${BASE}

RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
      ca-certificates libgomp1 libstdc++6 python3 python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home --home-dir /var/lib/puna puna \
 && install --directory --owner puna --mode 0700 /var/lib/puna

WORKDIR /src
COPY pyproject.toml requirements.lock README.md LICENSE NOTICE ./
COPY src src
# uv holds each package against the hash that the lock has for it. Compiled now, since nothing can be
# written beside the code later.
RUN python3 -m venv /opt/uv \
 && /opt/uv/bin/pip install --no-cache-dir uv \
 && python3 -m venv --without-pip /opt/puna \
 && /opt/uv/bin/uv pip install --python /opt/puna/bin/python --no-cache --compile-bytecode \
      --constraint requirements.lock . \
 && rm -rf /opt/uv /src/*

# In a container, loopback is the container alone, so the server has to listen on all addresses. That
# nobody else reaches it is for whoever publishes its port: compose.yaml does so on loopback only.
ENV PATH=/opt/puna/bin:$PATH \
    PUNA_HOME=/var/lib/puna \
    PUNA_HOST=0.0.0.0 \
    PUNA_ALLOW_ANONYMOUS=1
WORKDIR /var/lib/puna
USER puna
VOLUME /var/lib/puna
EXPOSE 11434
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["puna", "ps"]
ENTRYPOINT ["puna"]
CMD ["serve"]
