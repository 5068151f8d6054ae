# Sourced by packaging/quickstart and tests/run: which Debian packages serve what, and their installation.
# Nothing that is there already is installed again; nothing is upgraded; no service is started or enabled.

packages_build="gcc g++ cmake ninja-build pkg-config libc6-dev libuv1-dev libhiredis-dev libpq-dev liblmdb-dev libjansson-dev \
libcivetweb-dev libyaml-dev libpcre2-dev libcurl4-openssl-dev libssl-dev zlib1g-dev libxxhash-dev libsnappy-dev uthash-dev ca-certificates"
packages_demo="redis-server postgresql python3-celery python3-redis python3-psycopg2"
packages_test="clang clang-format libclang-rt-14-dev llvm libcmocka-dev python3-pytest curl git procps prometheus chromium fonts-dejavu-core $packages_demo"
packages_all="debootstrap prometheus-alertmanager prometheus-redis-exporter prometheus-postgres-exporter prometheus-node-exporter"

say() {
    printf '\033[1m==> %s\033[0m\n' "$*" >&2
}

# npm is in Debian's package npm or came with a Node.js of another origin: what works is taken.
node_packages() {
    if ! command -v node >/dev/null || ! command -v npm >/dev/null || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 18 ]; then
        echo nodejs npm
    fi
}

missing_packages() {
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$package"
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "these packages have to be installed as root, and there is no sudo. Run as root:"
        printf '    apt-get install --no-install-recommends %s\n' "$missing" >&2
        exit 1
    fi
}

# Debian starts services when it installs them. A demo and tests bring their own: so the policy file says no
# meanwhile (unless there is one already), PostgreSQL makes no cluster, and what is newly installed stays disabled.
install_packages() {
    missing=$(missing_packages "$@")
    if [ -z "$missing" ]; then
        return 0
    fi
    say "installing $missing"
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive sh -c '
        set -e
        policy=/usr/sbin/policy-rc.d
        own_policy=
        if [ ! -e "$policy" ]; then
            printf "#!/bin/sh\nexit 101\n" > "$policy"
            chmod 755 "$policy"
            own_policy=1
        fi
        cleanup() { if [ -n "$own_policy" ]; then rm -f "$policy"; fi; }
        trap cleanup EXIT
        if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
            mkdir -p /etc/postgresql-common
            echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
        fi
        if ! apt-get install -y --no-install-recommends "$@"; then
            apt-get update
            apt-get install -y --no-install-recommends "$@"
        fi
        if command -v systemctl >/dev/null; then
            for package in "$@"; do
                case $package in
                redis-server | prometheus | prometheus-*) systemctl disable "$package" >/dev/null 2>&1 || true ;;
                esac
            done
        fi
    ' install-packages $missing
}
