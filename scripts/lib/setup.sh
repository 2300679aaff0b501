# Setup: installs what the gates need on a Debian machine with Rust; without the right to install, prints what is missing.
# shellcheck shell=bash

have() { command -v "$1" >/dev/null 2>&1; }

# as_root COMMAND...: runs as root, without asking for a password.
as_root() {
    if ((EUID == 0)); then "$@"; elif have sudo; then sudo -n "$@"; else return 1; fi
}

# install_missing COMMAND=PACKAGE...: installs the Debian packages of the commands that are not there.
install_missing() {
    local pair packages=()
    [[ -z ${NO_SETUP:-} ]] || return 0
    for pair in "$@"; do
        have "${pair%%=*}" || packages+=("${pair#*=}")
    done
    ((${#packages[@]})) || return 0
    echo "setup: installing ${packages[*]}"
    if ! have apt-get || ! as_root true 2>/dev/null; then
        echo "setup: no apt-get or no rights; gates that need ${packages[*]} will be skipped or fail" >&2
    elif ! { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >"$SCRATCH/apt.log" 2>&1; then
        echo "setup: apt-get failed:" >&2
        tail -n 5 "$SCRATCH/apt.log" >&2
    fi
}

# newer_apt SUITE ARGUMENT...: apt-get over a newer Debian, and not over what this machine has; its index is kept in the user's cache for half a day.
newer_apt() {
    local folder=${XDG_CACHE_HOME:-$HOME/.cache}/eco2/debian-$1-index site apt
    apt=(apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$folder/etc" -o "Dir::State::lists=$folder/lists"
        -o "Dir::Cache=$folder/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root)
    if [[ -z $(find "$folder/complete" -mmin -720 2>/dev/null) ]]; then
        # From where this machine has its own packages.
        site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m 1 '/debian/\?$') || return 1
        rm -rf "$folder" && mkdir -p "$folder"/{etc,lists/partial,cache/archives/partial} || return 1
        printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$site" "$1" \
            >"$folder/etc/newer.sources"
        "${apt[@]}" update && touch "$folder/complete" || return 1
    fi
    "${apt[@]}" "${@:2}"
}

# newer_unpacked NAME SUITE PACKAGE...: prints a folder with the files of these packages of a newer Debian, none of which is installed; kept
# in the user's cache.
newer_unpacked() {
    local folder=${XDG_CACHE_HOME:-$HOME/.cache}/eco2/debian-$2-$1 package
    if [[ ! -f $folder/complete ]]; then
        [[ -z ${NO_SETUP:-} ]] && have apt-get && have dpkg || return 1
        rm -rf "$folder" && mkdir -p "$folder" || return 1
        (cd "$folder" && newer_apt "${@:2:1}" download "${@:3}" && for package in *.deb; do dpkg --extract "$package" . && rm "$package" || exit 1; done) \
            >"$folder/log" 2>&1 || return 1
        touch "$folder/complete"
    fi
    printf '%s\n' "$folder"
}

# newer_debian SUITE PACKAGE FILE: prints where a file of a newer Debian's package lies.
newer_debian() {
    local folder
    folder=$(newer_unpacked "$2" "$1" "$2") && [[ -x $folder/$3 ]] && printf '%s\n' "$folder/$3"
}

# newer_program SUITE PACKAGE FILE LIBRARIES: writes a script into SCRATCH that starts a program of a newer Debian with the C library and all
# else that it needs of that Debian, and prints the script's path. LIBRARIES: a further folder of libraries below the root.
newer_program() {
    local packages folder library=usr/lib/x86_64-linux-gnu program
    program=$SCRATCH/$(basename "$3")
    packages=$(newer_apt "$1" --simulate --no-install-recommends install "$2" | awk '/^Inst/ { print $2 }') && [[ -n $packages ]] || return 1
    # shellcheck disable=SC2086 # one word for each package
    folder=$(newer_unpacked "$2-root" "$1" $packages) || return 1
    printf '#!/bin/sh\nexec %q --library-path %q %q "$@"\n' "$folder/usr/lib64/ld-linux-x86-64.so.2" "$folder/$library:$folder/$4" "$folder/$3" >"$program"
    chmod +x "$program"
    printf '%s\n' "$program"
}

# python3_venv: whether python3 can make an environment with pip; installs what Debian leaves out.
python3_venv() {
    python3 -c 'import ensurepip' 2>/dev/null && return 0
    [[ -z ${NO_SETUP:-} ]] && have apt-get && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv \
        >/dev/null 2>&1
    python3 -c 'import ensurepip' 2>/dev/null
}

# rust_component COMPONENT COMMAND...: adds a component of the toolchain if its command does not run.
rust_component() {
    local component=$1
    shift
    if [[ -n ${NO_SETUP:-} ]] || "$@" >/dev/null 2>&1; then return 0; fi
    echo "setup: adding $component"
    if ! have rustup || ! rustup component add "$component"; then
        echo "setup: $component is missing and could not be added" >&2
    fi
}

# cargo_tool COMMAND CRATE ARGUMENT...: builds a tool where it is missing, without optimisation; a check takes seconds all the same.
cargo_tool() {
    if have "$1"; then return 0; fi
    [[ -z ${NO_SETUP:-} ]] || skip "$1 is not installed"
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=256 \
        cargo install --locked "${@:2}"
}

# axe: brings the script that checks pages for accessibility, and names it in AXE_CORE; tests skip without it.
axe() {
    local version=4.14.1 folder=${XDG_CACHE_HOME:-$HOME/.cache}/eco2/axe
    export AXE_CORE=$folder/package/axe.min.js
    [[ -s $AXE_CORE ]] && return
    if [[ -n ${NO_SETUP:-} ]] || ! have npm || ! mkdir -p "$folder" || ! (cd "$folder" && npm pack --silent "axe-core@$version" && tar xzf axe-core-*.tgz) >/dev/null 2>&1; then
        echo "setup: axe-core $version could not be fetched; its test is skipped" >&2
        unset AXE_CORE
    fi
}

# fetch: downloads the locked crates, so that later gates do not depend on the network.
fetch() {
    local try
    for try in 1 2 3; do
        if cargo fetch --locked --quiet; then return 0; fi
        echo "setup: cargo fetch failed (try $try of 3)" >&2
        sleep "$try"
    done
}

# announce COMMAND=PACKAGE...: prints what will be installed, before anything is.
announce() {
    local pair packages=()
    [[ -z ${NO_SETUP:-} ]] || { echo "setup: nothing is installed (--no-setup)" && return; }
    for pair in "$@"; do
        have "${pair%%=*}" || packages+=("${pair#*=}")
    done
    echo "setup: Debian packages to install now: ${packages[*]:-none}"
    echo "setup: to install where they are missing: rustfmt and clippy (rustup), axe-core (npm), the crates of Cargo.lock (cargo);" \
        "and by the gates that need them: $(gate_installs)"
    echo "setup: environments are kept in ${XDG_CACHE_HOME:-$HOME/.cache}/eco2; scripts/test --no-setup installs nothing"
}

# gate_installs: what gates of this mode install: with --full the packages that the scripts name.
gate_installs() {
    local files=(scripts/test scripts/metrics scripts/redfish scripts/deploy scripts/lib/*.sh benches/peers/requirements-*.txt)
    printf 'cargo-deny (cargo), python3-venv python3-torch prometheus (Debian), %s (PyPI), kustomize prometheus victoria-metrics (newer Debians, kept in the cache)' \
        "${TRAINER[*]} ${NOTEBOOK[*]} $(grep -ohE '[a-z-]+==[0-9.!]+' scripts/deploy | tr '\n' ' ')"
    [[ ${MODE:-} != --full ]] || printf '; %s (cargo), %s(Debian), %s(PyPI)' 'mdbook cargo-auditable' \
        "$(grep -ohE 'install_missing( [a-z0-9-]+=[a-z0-9-]+)+' "${files[@]}" | grep -oE '=[a-z0-9-]+' | tr -d = | sort -u | tr '\n' ' ')" \
        "$(grep -ohE '[a-zA-Z][a-zA-Z0-9_.-]*(\[[a-z-]+\])?==[0-9][0-9a-z.]*' "${files[@]}" | sort -u | tr '\n' ' ')"
}

setup() {
    if ! have cargo && [[ -f $HOME/.cargo/env ]]; then
        # shellcheck source=/dev/null
        source "$HOME/.cargo/env"
    fi
    have cargo || {
        echo "setup: cargo is missing: install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) from https://rustup.rs" >&2
        exit 1
    }
    set -- cc=gcc ld=binutils python3=python3 git=git "$@"
    announce "$@"
    install_missing "$@"
    axe
    rust_component rustfmt cargo fmt --version
    rust_component clippy cargo clippy --version
    fetch
}
