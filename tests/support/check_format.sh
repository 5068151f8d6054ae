#!/bin/sh
# Every C file of the tree as .clang-format says; prints what differs. With --fix it is put right.
set -eu
cd "$(dirname "$0")/../.."
command -v clang-format >/dev/null || {
    echo "clang-format is missing: apt-get install clang-format (tests/run does)" >&2
    exit 1
}
how='--dry-run -Werror'
[ "${1-}" != --fix ] || how=-i
# shellcheck disable=SC2086
find src storage alerts config web tests \( -name node_modules -o -name dist \) -prune -o \
    -type f \( -name '*.c' -o -name '*.h' \) -print0 | xargs -0 clang-format $how
