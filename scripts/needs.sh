# shellcheck shell=bash
# What the scripts here need of the system: found, or installed where that is possible (as root on Debian or Ubuntu), or
# named. Sourced, not run.

say() { printf '=== %s\n' "$*"; }

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

need_toolchain() {
    command -v cargo >/dev/null || PATH="$PATH:${HOME:-}/.cargo/bin"
    command -v cargo >/dev/null || fail "cargo is missing: install Rust, see https://rustup.rs"
    if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
        rustup component add rustfmt clippy ||
            fail "rustfmt or clippy is missing: rustup component add rustfmt clippy"
    fi
    command -v cc >/dev/null || install_package gcc libc6-dev
}

# The caller's command of this name, or the package's.
need_command() {
    local name=$1 package=${2:-$1}
    command -v "$name" >/dev/null && return
    # Servers lie where only root looks.
    PATH="$PATH:/usr/local/sbin:/usr/sbin"
    command -v "$name" >/dev/null && return
    install_package "$package"
    command -v "$name" >/dev/null || fail "$package was installed, but $name is not in PATH"
}

need_postgres() {
    find_postgres && return
    install_package postgresql
    find_postgres || fail "PostgreSQL was installed, but initdb is in no known folder"
}

# Sets postgres_bin to the folder of the newest server found; a client alone does not count.
find_postgres() {
    local folder
    while read -r folder; do
        if [[ -x $folder/initdb && -x $folder/pg_ctl && -x $folder/postgres ]]; then
            # shellcheck disable=SC2034  # scripts/test runs what is in it.
            postgres_bin=$folder
            return 0
        fi
    done < <(
        dirname "$(command -v initdb || true)"
        printf '%s\n' /usr/lib/postgresql/*/bin | sort --version-sort --reverse
        pg_config --bindir 2>/dev/null || true
    )
    return 1
}

install_package() {
    local command="apt-get install -y --no-install-recommends $*"
    command -v apt-get >/dev/null || fail "missing: $*. Install it with this system's package tool"
    ((EUID == 0)) || fail "missing: $*. Install it: sudo $command"
    say "installing $*"
    apt-get -o DPkg::Lock::Timeout=300 update
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
}
