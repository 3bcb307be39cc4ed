#!/usr/bin/env bash
# Installs what the tests need, by name, and runs them.
#
#   tests/run.sh              everything, as CI does: setup, lint, test, loom, fuzz, release
#   tests/run.sh setup        only installs: Debian packages, npm packages, Python packages (in target/python)
#   tests/run.sh lint         formatting, clippy, documentation
#   tests/run.sh test         unit tests, integration tests, documentation tests
#   tests/run.sh loom         the limiter's races, interleaving by interleaving (tests/loom)
#   tests/run.sh release      the demo, from the release build
#   tests/run.sh real-time    an installation's limits, 10,000 at once and 5,000 a second, in real time
#   tests/run.sh fuzz         libFuzzer on each target of fuzz/: FUZZ_SECONDS, a minute unless it is set, or FUZZ_RUNS executions;
#                             FUZZ_TARGETS names some of them
#   tests/run.sh mutants      the limiter's unit tests against each small change to its arithmetic and locks; MUTANTS names files of
#                             src/limit, all of them unless it is set; needs cargo-mutants, and half an hour
#   tests/run.sh floods       each flood with its rate, what a good client notices of it, and memory: the release build on a core of its
#                             own; FLOOD_SECONDS of each, three unless it is set
#   tests/run.sh soak         tests/soak.rs for SOAK_SECONDS, ten minutes unless it is set
#   tests/run.sh bench        benches/limits and benches/forwarding, with their bounds; on a machine that is not busy
#   tests/run.sh instructions what judging a token takes, in instructions, against benches/auth/instructions.txt; installs valgrind
#   tests/run.sh NAME         tests/NAME.rs alone, after setup
#
# Starts from Debian with Rust (rustfmt and clippy too), a C toolchain and Node (20.19 or newer); asks for sudo only when it is not root and
# something is missing. All ports are chosen by the system and everything started is stopped again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Tools of ours, where no package should be installed for them.
TOOLS=$PWD/target/tools
PYTHON=$PWD/target/python
# Debian keeps HAProxy in /usr/sbin, where only root looks.
export PATH=$TOOLS:$PATH:/usr/sbin

say() { printf '\n== %s\n' "$*"; }

as_root() {
    if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

# What is missing, by the command it brings.
missing_packages() {
    local command
    # The service that comes with HAProxy listens on nothing as it is installed.
    for command in curl jq openssl chromium haproxy python3; do
        command -v "$command" >/dev/null || echo "$command"
    done
    # Debian's Python comes without what a virtual environment is made with.
    python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
    [[ -e /etc/ssl/certs/ca-certificates.crt ]] || echo ca-certificates
}

# promtool comes with Prometheus, whose package starts a server: only the tool is taken out of it.
install_promtool() {
    local work
    work=$(mktemp -d)
    chmod 755 "$work"
    (cd "$work" && apt-get download prometheus && dpkg-deb --extract prometheus_*.deb unpacked)
    install -D "$work/unpacked/usr/bin/promtool" "$TOOLS/promtool"
    rm -rf "$work"
}

# Run again only when what is asked for has changed.
install_npm_packages() {
    cmp -s tests/package-lock.json tests/node_modules/.installed-lock && return
    (cd tests && npm ci --ignore-scripts && cp package-lock.json node_modules/.installed-lock)
}

install_python_packages() {
    cmp -s tests/requirements.txt "$PYTHON/.installed" && return
    # `--no-deps`: exactly what is listed, so that two installations are the same.
    python3 -m venv --clear "$PYTHON"
    "$PYTHON/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement tests/requirements.txt
    "$PYTHON/bin/pip" check
    cp tests/requirements.txt "$PYTHON/.installed"
}

setup() {
    say "setup: packages"
    local packages promtool=present
    mapfile -t packages < <(missing_packages)
    command -v promtool >/dev/null || promtool=missing
    if [[ ${#packages[@]} -gt 0 || $promtool == missing ]]; then
        as_root apt-get update -qq
    fi
    if [[ ${#packages[@]} -gt 0 ]]; then
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${packages[@]}"
    fi
    [[ $promtool == present ]] || install_promtool
    install_npm_packages
    install_python_packages
    local tool
    for tool in curl jq openssl chromium haproxy promtool node python3; do
        printf '%-10s %s\n' "$tool" "$(command -v "$tool")"
    done
}

lint() {
    say "lint: formatting"
    cargo fmt --check
    cargo fmt --check --manifest-path tests/loom/Cargo.toml
    cargo fmt --check --manifest-path fuzz/Cargo.toml
    say "lint: clippy"
    cargo clippy --all-targets --locked -- -D warnings
    say "lint: documentation"
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked
}

tests() {
    say "test: $*"
    cargo test --locked "$@"
}

# A crate of its own, in a directory of its own: of the gateway it builds the limiter alone.
loom() {
    say "loom"
    cargo test --locked --manifest-path tests/loom/Cargo.toml --target-dir target/loom
}

# Built with the counters of libFuzzer: a pass of LLVM, which the stable compiler takes by these names. With `--target`, build scripts
# and macros are built without.
fuzz_build() {
    local flags="-C passes=sancov-module" option
    for option in level=4 inline-8bit-counters pc-table trace-compares; do flags+=" -C llvm-args=-sanitizer-coverage-$option"; done
    say "fuzz: build"
    # The versions of the product. What libFuzzer needs beside them is named exactly in fuzz/Cargo.toml.
    [[ fuzz/Cargo.lock -nt Cargo.lock ]] || cp Cargo.lock fuzz/Cargo.lock
    RUSTFLAGS=$flags cargo build --release --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --target "$HOST"
}

# One target: its line of the table; fails with what libFuzzer says when an input breaks it or when it reaches too little.
fuzz_one() {
    local name=$1 words=$2 longest=$3 least_edges=$4 least_rate=$5 kept=target/fuzz/corpus/$1 log=target/fuzz/$1.log
    local limit=-max_total_time=$FUZZ_SECONDS reached edges executions rate
    [[ -z ${FUZZ_RUNS:-} ]] || limit=-runs=$FUZZ_RUNS
    mkdir -p "$kept" fuzz/artifacts
    if ! "target/fuzz/$HOST/release/$name" "$kept" "fuzz/seeds/$name" "-dict=fuzz/words/$words" "-max_len=$longest" "$limit" \
        -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 "-artifact_prefix=fuzz/artifacts/$name-" >"$log" 2>&1; then
        tail -n 30 "$log"
        echo "$name: broken by the input kept in fuzz/artifacts"
        return 1
    fi
    reached=$(sed -n 's/^#[0-9]*[[:space:]]*DONE *cov: \([0-9]*\) ft: \([0-9]*\) .*/\1 \2/p' "$log")
    edges=${reached% *}
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    printf '%-8s %12d executions %8d/s %6d edges %6d features\n' "$name" "$executions" "$rate" "$edges" "${reached#* }"
    if ((edges < least_edges || rate < least_rate)); then
        echo "$name: reaches less than fuzz/targets.txt says ($least_edges edges, $least_rate executions a second)"
        return 1
    fi
}

# As many side by side as there are cores. Inputs that reached something new are kept in target/fuzz/corpus, where the next run
# sets out from.
fuzz() {
    export FUZZ_SECONDS=${FUZZ_SECONDS:-60} HOST
    HOST=$(rustc -vV | sed -n 's/^host: //p')
    fuzz_build
    local length="$FUZZ_SECONDS seconds" only=${FUZZ_TARGETS:-[a-z_]+}
    [[ -z ${FUZZ_RUNS:-} ]] || length="$FUZZ_RUNS executions"
    say "fuzz: ${FUZZ_TARGETS:-all targets}, $length each"
    export -f fuzz_one
    grep -E "^(${only// /|}) " fuzz/targets.txt |
        xargs -P "$(nproc)" -L 1 bash -c 'fuzz_one "$@"' fuzz_one
}

# In a crate of its own, which builds in seconds what would take the gateway a minute for each change. The kept seed of the
# simulation plays in each run; one that reads forever is ended.
mutants() {
    local work=target/mutants file only=()
    rm -rf "$work/src"
    mkdir -p "$work/src"
    cp tests/mutants/Cargo.toml "$work/"
    cp -r tests/mutants/lib.rs src/limit src/time.rs "$work/src/"
    for file in ${MUTANTS:-}; do only+=(--file "src/limit/$file"); done
    say "mutants: ${MUTANTS:-all of src/limit}"
    LIMIT_STEPS=${LIMIT_STEPS:-12000} cargo mutants --dir "$work" --in-place --output "$work" --no-shuffle --timeout 60 \
        --exclude 'src/time.rs' "${only[@]}"
}

# The release build on the first core, and the good client, the upstream and the flood on the last. On a machine that is busy with
# other work the figures are those of that work.
floods() {
    local pinned=$PWD/target/pinned-gateway last=$(($(nproc) - 1))
    cargo build --release --locked
    printf '#!/bin/sh\nexec taskset -c 0 "%s" "$@"\n' "$PWD/target/release/stackflow-gateway" >"$pinned"
    chmod +x "$pinned"
    cargo test --locked --test floods --test h2_floods --no-run
    say "floods"
    FLOOD_SECONDS=${FLOOD_SECONDS:-3} STACKFLOW_GATEWAY=$pinned taskset -c "$last" \
        cargo test --locked --test floods --test h2_floods --no-fail-fast -- --test-threads=1 --nocapture --skip busy_clients
}

soak() {
    export SOAK_SECONDS=${SOAK_SECONDS:-600}
    tests --test soak -- --nocapture
}

bench() {
    LIMITS_CHECK=1 cargo bench --locked --bench limits
    cargo bench --locked --bench forwarding -- --check
}

# Counts do not change on a busy machine, so that 3 % more is a change of the program. They do change with the compiler and with
# what the processor can (AVX2, ADX): `INSTRUCTIONS=--write` writes the budget anew.
instructions() {
    command -v valgrind >/dev/null || as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends valgrind
    cargo bench --locked --bench auth -- --instructions ${INSTRUCTIONS:-}
}

# The command that the README promises, in the build that it names: the same tests as for the debug build.
release() {
    say "release: build"
    cargo build --release --locked
    say "release: demo"
    STACKFLOW_GATEWAY=$PWD/target/release/stackflow-gateway cargo test --locked --test demo
}

# The numbers of an installation, which take a machine that is not busy; the debug build's tests have smaller ones.
real_time() {
    cargo build --release --locked
    say "an installation's limits in real time"
    STACKFLOW_GATEWAY=$PWD/target/release/stackflow-gateway cargo test --locked --test limits_real_time -- --test-threads=1 --nocapture
}

case ${1:-all} in
    all)
        setup
        lint
        tests
        loom
        fuzz
        release
        ;;
    setup | lint | loom | release | fuzz | mutants | floods | soak | bench | instructions) "$1" ;;
    real-time) real_time ;;
    test) tests "${@:2}" ;;
    *)
        if [[ ! -f tests/$1.rs ]]; then
            sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
            exit 2
        fi
        setup
        tests --test "$1" "${@:2}"
        ;;
esac
