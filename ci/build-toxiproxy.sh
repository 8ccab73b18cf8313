#!/usr/bin/env bash
# Build the real Toxiproxy server from its Go module, with its version told to it: `go install` alone
# makes one that calls itself `git`. Needs only Go (1.23 or newer) and its module proxy or cache.
#
#   ci/build-toxiproxy.sh DIR      leaves DIR/toxiproxy-server, statically linked
set -euo pipefail
version=2.12.0
module=github.com/Shopify/toxiproxy/v2
case ${1:-} in
  -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
  '') echo "build-toxiproxy: name the directory to build into; see --help" >&2; exit 2 ;;
esac
command -v go >/dev/null || { echo "build-toxiproxy: Go is missing; install Go 1.23 or newer" >&2; exit 2; }
mkdir -p "$1"
into=$(cd "$1" && pwd)

# Built beside its place and moved there, so that nobody ever runs half a binary.
work=$(mktemp -d "$into/.build.XXXXXX")
trap 'rm -rf "$work"' EXIT
# From nowhere: a go.mod or go.work of the caller's has no say in it.
cd "$work"
GOBIN=$work GOWORK=off GOFLAGS='' CGO_ENABLED=0 \
  go install -trimpath -ldflags "-s -w -X $module.Version=$version" "$module/cmd/server@v$version"
told=$("$work/server" -version)
[ "$told" = "toxiproxy-server version $version" ] || { echo "build-toxiproxy: wanted version $version, built: $told" >&2; exit 1; }
mv -f "$work/server" "$into/toxiproxy-server"
echo "$into/toxiproxy-server"
