#!/bin/sh
# Proves the two commands of the README where nothing is installed: a bare root made by debootstrap, a path with
# spaces, each command twice. Needs root. The bare root lies in the temporary folder and is removed at the end, unless
# KEEP=1 is set.
set -eu
cd "$(dirname "$0")/../.."
. packaging/packages.sh

[ "$(id -u)" -eq 0 ] || {
    say "tests/run --fresh needs root for debootstrap and chroot"
    exit 1
}
install_packages debootstrap git

root=$(mktemp -d "${TMPDIR:-/tmp}/cloche-fresh-XXXXXX")
tree="/root/a folder with spaces/cloche"
# /dev and /proc of this machine are bound into it: whatever is removed stays on its own file system.
clean_up() {
    for at in dev/shm dev proc sys; do
        umount -l "$root/$at" 2>/dev/null || true
    done
    [ -n "${KEEP-}" ] || rm -rf --one-file-system "$root"
}
trap clean_up EXIT
trap 'exit 143' INT TERM

say "debootstrap into $root"
mkdir -p build
debootstrap --variant=minbase bookworm "$root" >build/fresh.log 2>&1 || {
    tail -n 20 build/fresh.log >&2
    exit 1
}
chmod 755 "$root" # mktemp gives 700, and it is "/" for the demo's users that are not root
for at in proc sys dev dev/shm; do
    mount --rbind "/$at" "$root/$at" 2>/dev/null || mount --bind "/$at" "$root/$at"
done
# What this machine needs to reach package servers is not part of the product: taken over as it is.
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/hosts "$root/etc/hosts"
for file in /etc/apt/apt.conf.d/*proxy*; do
    [ ! -e "$file" ] || cp "$file" "$root/etc/apt/apt.conf.d/"
done
cp /etc/ssl/certs/ca-certificates.crt "$root/root/ca-of-this-machine.crt" 2>/dev/null || true
mkdir -p "$root/$tree"
git ls-files -z | xargs -0 cp --parents -t "$root/$tree"

inside() {
    chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        NODE_EXTRA_CA_CERTS=/root/ca-of-this-machine.crt CI="${CI-}" sh -euc "cd \"$tree\"; $1"
}

say "first command: packaging/quickstart, until the demo answers"
# shellcheck disable=SC2016
inside '
    packaging/quickstart >/root/quickstart.log 2>&1 &
    quickstart=$!
    answered=
    for second in $(seq 1 1200); do
        kill -0 $quickstart || break
        ! grep -q "demo: ended" /root/quickstart.log || break
        if command -v python3 >/dev/null && python3 -c "
import json, urllib.request, urllib.parse
q = urllib.parse.quote(\"sum(celery_task_succeeded_total) > 20\")
answer = json.load(urllib.request.urlopen(\"http://127.0.0.1:9900/api/v1/query?query=\" + q))
assert answer[\"data\"][\"result\"]
page = urllib.request.urlopen(\"http://127.0.0.1:9900/\").read()
assert b\"<script\" in page
" 2>/dev/null; then
            answered=$second
            break
        fi
        sleep 1
    done
    tail -n 5 /root/quickstart.log
    kill $quickstart
    wait $quickstart || true
    [ -n "$answered" ] || { cat /root/quickstart.log; exit 1; }
    echo "the demo answered after $answered s"
'
say "and again: nothing to install, nothing to build"
inside 'packaging/quickstart --build-only; build/release/cloche version'
say "second command: tests/run, twice"
inside 'tests/run'
inside 'tests/run --quick'
say "fresh root: both commands passed"
