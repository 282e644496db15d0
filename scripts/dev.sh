#!/usr/bin/env bash
# Runs a local server in the background, from any folder: scripts/dev.sh help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly HEALTH_WAIT_SECONDS=60
readonly STOP_WAIT_SECONDS=15
readonly STATE=data/dev
readonly PID_FILE=$STATE/everruns.pid
readonly URL_FILE=$STATE/everruns.url
readonly LOG_FILE=$STATE/everruns.log

usage() {
    cat <<TEXT
usage: scripts/dev.sh COMMAND

  init         check what is needed and build the server
  start-all    start the server in the background and wait until it answers
  stop-all     stop it
  status       say whether it runs (exit code 1 when it does not)
  logs [-f]    print the end of its log, with -f follow it
  help         this text

With the default, SQLite, no other service is needed. The server's settings are read from the environment:
  PORT=9100 DATABASE_URL=postgres://... scripts/dev.sh start-all
TEXT
}

main() {
    local command=${1:-help}
    shift || true
    case $command in
    init) init ;;
    start-all) start_all ;;
    stop-all) stop_all ;;
    status) status ;;
    logs) logs "$@" ;;
    help | -h | --help) usage ;;
    *)
        usage >&2
        fail "unknown command: $command"
        ;;
    esac
}

init() {
    build
    echo "ready: start it with scripts/dev.sh start-all"
}

start_all() {
    if is_running; then
        echo "already running (pid $(<"$PID_FILE"))"
        print_urls
        return
    fi
    build
    mkdir -p "$STATE"
    local url
    url=$(base_url)
    if answers "$url"; then
        fail "another server answers at $url; stop it or choose another PORT"
    fi
    if [[ -f $LOG_FILE ]]; then mv -f "$LOG_FILE" "$LOG_FILE.old"; fi
    nohup "$(binary)" >"$LOG_FILE" 2>&1 </dev/null &
    echo $! >"$PID_FILE"
    echo "$url" >"$URL_FILE"
    wait_until_healthy "$url"
    echo "started (pid $(<"$PID_FILE"), log $PWD/$LOG_FILE)"
    print_urls
}

stop_all() {
    if ! is_running; then
        echo "not running"
        rm -f "$PID_FILE" "$URL_FILE"
        return
    fi
    local pid deadline
    pid=$(<"$PID_FILE")
    deadline=$((SECONDS + STOP_WAIT_SECONDS))
    kill -TERM "$pid"
    while is_running && ((SECONDS < deadline)); do sleep 0.1; done
    if is_running; then
        echo "it did not stop in $STOP_WAIT_SECONDS s: killed" >&2
        kill -KILL "$pid"
    fi
    rm -f "$PID_FILE" "$URL_FILE"
    echo "stopped"
}

status() {
    if ! is_running; then
        echo "not running"
        return 1
    fi
    if answers "$(<"$URL_FILE")"; then
        echo "running (pid $(<"$PID_FILE"))"
    else
        echo "running (pid $(<"$PID_FILE")), but does not answer"
    fi
    print_urls
}

logs() {
    [[ -f $LOG_FILE ]] || fail "there is no log: the server was not started by this script"
    tail -n 200 "$@" "$LOG_FILE"
}

build() {
    command -v cargo >/dev/null || PATH="$PATH:${HOME:-}/.cargo/bin"
    command -v cargo >/dev/null || fail "cargo is missing: install Rust, see https://rustup.rs"
    command -v cc >/dev/null || fail "a C compiler is missing (SQLite is built from source): sudo apt-get install build-essential"
    command -v curl >/dev/null || fail "curl is missing: sudo apt-get install curl"
    cargo build --release --locked
}

binary() { echo "${CARGO_TARGET_DIR:-$PWD/target}/release/everruns"; }

# Where the server is reached from here: an address that means "all of them" is asked by loopback.
base_url() {
    local host=${HOST:-127.0.0.1}
    case $host in
    127.0.0.1 | 0.0.0.0) host=localhost ;;
    ::) host="[::1]" ;;
    *:*) host="[$host]" ;;
    esac
    echo "http://$host:${PORT:-9000}"
}

answers() { curl --silent --fail --noproxy '*' --max-time 2 --output /dev/null "$1/health"; }

wait_until_healthy() {
    local url=$1 deadline=$((SECONDS + HEALTH_WAIT_SECONDS))
    local pid
    pid=$(<"$PID_FILE")
    until answers "$url"; do
        if ! kill -0 "$pid" 2>/dev/null; then
            give_up "the server ended at once"
        elif ((SECONDS >= deadline)); then
            kill -TERM "$pid"
            give_up "the server did not answer at $url in $HEALTH_WAIT_SECONDS s"
        fi
        sleep 0.1
    done
}

give_up() {
    rm -f "$PID_FILE" "$URL_FILE"
    tail -n 20 "$LOG_FILE" >&2
    fail "$1; its log is $PWD/$LOG_FILE"
}

# The file may outlive its process, and the number may be another's by now: the command line tells. A zombie has none.
is_running() {
    local pid command
    [[ -f $PID_FILE ]] || return 1
    pid=$(<"$PID_FILE")
    if [[ -d /proc/self ]]; then
        command=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 1
    else
        command=$(ps -o command= -p "$pid") || return 1
    fi
    [[ $command == */release/everruns* ]]
}

print_urls() {
    local url
    url=$(<"$URL_FILE")
    cat <<TEXT
  REST      $url/v1      (try: curl $url/health)
  GraphQL   $url/graphql
  GraphiQL  $url/graphiql
  OpenAPI   $url/swagger-ui/
TEXT
}

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

main "$@"
