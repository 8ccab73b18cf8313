#!/usr/bin/env bash
# Build every image of the containers stack locally, where no container registry is reached: the base
# from debootstrap, PostgreSQL, Redis and Python from the distribution's packages, Toxiproxy from its Go
# module, the reference system from this tree and its lock.
#
#   ci/build-images.sh [--ca FILE] [--suite bookworm] [--mirror URL]
#
# --ca FILE   CA bundle that pip trusts inside the build (company proxies); default: $PIP_CERT when set.
# Builds only what is missing; --fresh builds all again.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=bookworm mirror='' ca=${PIP_CERT:-} fresh=''
while [ $# -gt 0 ]; do
  case $1 in
    --ca) ca=$2; shift 2 ;;
    --suite) suite=$2; shift 2 ;;
    --mirror) mirror=$2; shift 2 ;;
    --fresh) fresh=1; shift ;;
    -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "build-images: unknown option $1; see --help" >&2; exit 2 ;;
  esac
done
docker info >/dev/null 2>&1 || { echo "build-images: no Docker engine answers; start one (ci/docker-engine.sh on Debian)" >&2; exit 2; }
export DOCKER_BUILDKIT=0

have() { [ -z "$fresh" ] && docker image inspect "$1" >/dev/null 2>&1; }
say() { printf 'build-images: %s\n' "$*" >&2; }
work=$(mktemp -d)
trap 'rm -rf "$work"; rm -f ci/ca/bundle.crt' EXIT

base=overbooked/base:$suite
if ! have "$base"; then
  say "$base from debootstrap"
  [ "$(id -u)" = 0 ] || { say "debootstrap needs root"; exit 2; }
  debootstrap --variant=minbase "$suite" "$work/root" ${mirror:+"$mirror"} >"$work/debootstrap.log" 2>&1 ||
    { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
  # apt inside a build needs the sources and the CA that this machine's apt uses, nothing else of it.
  tar -C "$work/root" --exclude=./var/cache/apt/archives/'*.deb' -c . | docker import --change 'CMD ["/bin/sh"]' - "$base" >/dev/null
  rm -rf "$work/root"
fi

quietly() { # log only when it fails
  "$@" >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" >&2; return 1; }
}
for name in postgres redis python; do
  image=overbooked/$name:$suite
  have "$image" && continue
  say "$image"
  quietly docker build -t "$image" --build-arg BASE="$base" "ci/images/$name"
done

image=overbooked/toxiproxy:2.12.0
if ! have "$image"; then
  say "$image from its Go module"
  mkdir "$work/toxiproxy"
  quietly ci/build-toxiproxy.sh "$work/toxiproxy"
  cp ci/images/toxiproxy/Dockerfile "$work/toxiproxy/"
  quietly docker build -t "$image" "$work/toxiproxy"
fi

# Always built: its layers are cached until the lock or the tree changes.
say "overbooked/reference:local"
if [ -n "$ca" ]; then
  [ -s "$ca" ] || { say "no CA bundle at $ca"; exit 2; }
  cp "$ca" ci/ca/bundle.crt
fi
quietly docker build -t overbooked/reference:local -f reference_system/Dockerfile \
  --build-arg BASE="overbooked/python:$suite" .
docker image ls --format '{{.Repository}}:{{.Tag}}  {{.Size}}' | grep '^overbooked/' >&2
