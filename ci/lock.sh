#!/usr/bin/env bash
# Lock every dependency with its hashes, for CPython 3.11 and 3.12, naming no index.
# The service's own lock (reference_system/requirements.lock) is the subset its image installs.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-uv}
command -v "$uv" >/dev/null || { echo "lock: uv is missing; install it with 'pip install uv' or name it with UV=" >&2; exit 2; }

options=(--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header)
"$uv" pip compile "${options[@]}" --extra reference --extra dev "$@" -o requirements.lock pyproject.toml

service=$(mktemp)
trap 'rm -f "$service"' EXIT
python3 - >"$service" <<'PY'
import tomllib
with open("pyproject.toml", "rb") as file:
    print("\n".join(tomllib.load(file)["project"]["optional-dependencies"]["reference"]))
PY
"$uv" pip compile "${options[@]}" --no-annotate --constraint requirements.lock \
  -o reference_system/requirements.lock "$service"

if grep -nE '://|--index-url|--find-links' requirements.lock reference_system/requirements.lock; then
  echo "lock: an index address got into a lock; remove it" >&2
  exit 1
fi
