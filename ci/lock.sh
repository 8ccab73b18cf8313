#!/usr/bin/env bash
# Lock every dependency with its hashes, for CPython 3.11 and 3.12, naming no index.
# The service's own lock (reference_system/requirements.lock) is the subset its image installs.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-uv}
command -v "$uv" >/dev/null || { echo "lock: uv is missing; install it with 'pip install uv' or name it with UV=" >&2; exit 2; }

options=(--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header)
"$uv" pip compile "${options[@]}" --extra reference --extra dev "$@" -o requirements.lock pyproject.toml

service=$(mktemp) needed=$(mktemp)
trap 'rm -f "$service" "$needed"' EXIT
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

# Installed with --no-deps, a lock must have all that every extra needs, on every Python that we support.
for python in 3.11 3.12; do
  for platform in x86_64-manylinux_2_28 aarch64-manylinux_2_28 aarch64-apple-darwin; do
    for lock in requirements.lock reference_system/requirements.lock; do
      if [ "$lock" = requirements.lock ]; then wanted=(--extra reference --extra dev pyproject.toml); else wanted=("$service"); fi
      "$uv" pip compile --quiet --no-header --no-annotate --no-emit-index-url --python-version "$python" \
        --python-platform "$platform" --constraint "$lock" "${wanted[@]}" | sed '/^ /d' | sort -u >"$needed"
      if missing=$(grep -vxFf <(grep -oE '^[^ ;]+==[^ ;\\]+' "$lock") "$needed"); then
        echo "lock: $lock lacks for Python $python on $platform:" $missing >&2
        exit 1
      fi
    done
  done
done
