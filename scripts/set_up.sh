#!/bin/sh
# Makes .venv anew from requirements.lock: by uv where it is or can be had, else by pip.
set -eu

rm -rf .venv
echo "Setting up .venv"

if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then
  uv venv --quiet --python '>=3.11' .venv
  uv=uv
else
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Puna needs Python 3.11 or later; name one: make PYTHON=python3.12" >&2
    exit 1
  }
  "$PYTHON" -m venv .venv || {
    echo "Python has no venv; install it (on Debian and Ubuntu: apt install python3-venv)" >&2
    exit 1
  }
  # uv is only faster, so that it cannot be had is no failure.
  uv=
  if .venv/bin/python -m pip install --quiet --disable-pip-version-check uv 2>/dev/null; then
    uv=.venv/bin/uv
  fi
fi

if [ -n "$uv" ]; then
  "$uv" pip install --quiet --python .venv/bin/python --require-hashes -r requirements.lock
  "$uv" pip install --quiet --python .venv/bin/python --no-deps --editable .
else
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
    -r requirements.lock
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
fi
