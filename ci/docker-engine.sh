#!/usr/bin/env bash
# Make a Docker engine answer on a Debian machine that has none: install it and start it. Needs root.
# Leaves an engine that already answers alone.
set -euo pipefail
if docker info >/dev/null 2>&1; then exit 0; fi
[ "$(id -u)" = 0 ] || { echo "docker-engine: no engine answers and this is not root; start Docker and try again" >&2; exit 2; }
if ! command -v dockerd >/dev/null || ! command -v debootstrap >/dev/null; then
  # A new machine may still be busy with its own packages, and a mirror may stumble.
  apt=(-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  apt-get "${apt[@]}" update -q
  DEBIAN_FRONTEND=noninteractive apt-get "${apt[@]}" install -yq --no-install-recommends docker.io iptables debootstrap
fi
log=${DOCKERD_LOG:-/var/log/dockerd.log}
rm -f /var/run/docker.pid
setsid nohup dockerd >"$log" 2>&1 </dev/null &
for _ in $(seq 60); do
  docker info >/dev/null 2>&1 && exit 0
  sleep 1
done
echo "docker-engine: dockerd did not answer within 60 s; its log ends:" >&2
tail -n 20 "$log" >&2
exit 2
