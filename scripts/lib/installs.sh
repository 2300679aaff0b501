# Installs: each file of a release is installed into an empty place, without cargo on the PATH, and run there; and what a checkout installs.
# shellcheck shell=bash

# without_cargo COMMAND...: runs it with the system's programs only, and with an empty home.
without_cargo() {
    mkdir -p "$SCRATCH/home"
    env -i HOME="$SCRATCH/home" PATH="${CLEAN_PATH:-/usr/bin:/bin}" LC_ALL=C.UTF-8 "$@"
}

# The wheel: the native command on the PATH, the library, and both used from Python.
installed_wheel() {
    local venv=$SCRATCH/venv start wheel size limit=10
    wheel=$(echo "$1"/eco2-*linux*.whl) size=$(stat -c %s "$1"/eco2-*linux*.whl)
    echo "$(basename "$wheel"): $size bytes"
    # A wheel for this machine only is not optimised over all crates.
    [[ $wheel == *manylinux* ]] || limit=14
    ((size <= limit * 1024 * 1024)) || { echo "more than $limit MiB" >&2; return 1; }
    python3 -m venv "$venv"
    start=$EPOCHREALTIME
    without_cargo "$venv/bin/pip" install --quiet --no-index --no-deps "$wheel"
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "installed in %.1f s\n", b - a }'
    [[ $(head -c 4 "$venv/bin/eco2") == $'\x7fELF' ]] || { echo "bin/eco2 is not the native command" >&2; return 1; }
    CLEAN_PATH=$venv/bin:/usr/bin:/bin without_cargo eco2 --version
    CLEAN_PATH=$venv/bin:/usr/bin:/bin without_cargo eco2 run -- true
    (cd "$SCRATCH" && without_cargo "$venv/bin/python" -I "$OLDPWD/python/tests/installed.py")
    python3 -m venv "$SCRATCH/newcomer"
    CLEAN_PATH=$SCRATCH/newcomer/bin:/usr/bin:/bin without_cargo python3 scripts/newcomer --install "$wheel"
}

# The archive, in a root that has nothing but it, the C library and `true`; and a C program that is compiled with it.
installed_tar() {
    local root=$SCRATCH/empty-root archive folder file
    archive=$(echo "$1"/eco2-*-linux-gnu.tar.gz) folder=$(basename "$archive" .tar.gz)
    mkdir -p "$root"
    tar -C "$root" -xzf "$archive"
    for file in $(ldd "$root/$folder/bin/eco2" /bin/true | grep -o '/[^ :]*' | sort -u) /bin/true; do
        [[ $file == "$root"* ]] || install -D "$file" "$root$file"
    done
    if ((EUID == 0)); then
        env -i HOME=/home PATH=/bin "$(command -v chroot)" "$root" "/$folder/bin/eco2" run -- true
        env -i HOME=/home PATH=/bin "$(command -v chroot)" "$root" "/$folder/bin/eco2" show
    fi
    uses_library >"$SCRATCH/uses.c"
    PKG_CONFIG_PATH=$root/$folder/lib/pkgconfig bash -c 'cc "$1/uses.c" $(pkg-config --cflags --libs eco2) -o "$1/uses"' - "$SCRATCH"
    without_cargo "$SCRATCH/uses"
    ! readelf -S "$root/$folder/bin/eco2" "$root/$folder/lib/libeco2.so" "$root/$folder/lib/libeco2.a" 2>/dev/null |
        grep -q '\.debug_info' || { echo "debug information in $archive" >&2; return 1; }
    [[ ! -d $root/$folder/share/man ]] || ! have mandoc || mandoc -T lint -W warning "$root/$folder"/share/man/man1/*
}

# uses_library: prints a C program that is linked with libeco2.
uses_library() { printf '#include <eco2.h>\n#include <stdio.h>\nint main(void) { return puts(eco2_version()) < 0; }\n'; }

# Installers of other systems take the wheel without a library, those of a Linux with the glibc it needs the other one. An old Python
# gets none, and the reason.
chosen_wheels() {
    local platform name
    for platform in macosx_11_0_arm64 win_amd64 musllinux_1_2_x86_64 manylinux_2_17_x86_64 manylinux_2_28_aarch64; do
        name=$(chosen_wheel "$1" "$platform" 3.12)
        [[ $name == *-none-any.whl ]] || { echo "$platform gets $name" >&2; return 1; }
    done
    name=$(echo "$1"/eco2-*-manylinux*.whl)
    [[ ! -f $name ]] || [[ $(chosen_wheel "$1" manylinux_2_28_x86_64 3.12) == "$(basename "$name")" ]]
    ! chosen_wheel "$1" manylinux_2_28_x86_64 3.8 2>"$SCRATCH/old.txt" || { echo "Python 3.8 gets a wheel" >&2; return 1; }
    grep -q 'requires a different Python: 3.8.*>=3.9' "$SCRATCH/old.txt"
}

# chosen_wheel FOLDER PLATFORM PYTHON: the file that pip takes for a platform and a version of Python.
chosen_wheel() {
    local to
    to=$(mktemp -d -p "$SCRATCH")
    python3 -m pip download --quiet --no-index --no-deps --find-links "$1" --only-binary :all: --python-version "$3" \
        --implementation cp --platform "$2" --dest "$to" eco2 >&2 || return 1
    basename "$to"/*.whl
}

# The wheel for other systems, on this one: one warning that has the remedy.
installed_pure() {
    python3 -m venv "$SCRATCH/pure"
    without_cargo "$SCRATCH/pure/bin/pip" install --quiet --no-index --no-deps "$1"/eco2-*-none-any.whl
    without_cargo "$SCRATCH/pure/bin/python" -W always -c 'import eco2
with eco2.Meter() as meter:
    meter.step()' 2>&1 | grep -c 'has no library.*pip install --no-binary' | grep -qx 1
    ! without_cargo "$SCRATCH/pure/bin/eco2" --version 2>"$SCRATCH/pure.txt" || return 1
    grep -q 'pip install --no-binary' "$SCRATCH/pure.txt"
}

# The source distribution, unpacked into an empty folder: its wheel is built by cargo and run.
installed_sdist() {
    mkdir -p "$SCRATCH/sdist"
    tar -C "$SCRATCH/sdist" -xzf "$1"/eco2-[0-9]*[0-9].tar.gz
    python3 -m venv "$SCRATCH/built"
    CARGO_TARGET_DIR=$(realpath "$TARGET_DIR") "$SCRATCH/built/bin/pip" install --quiet --no-index --no-deps "$SCRATCH"/sdist/eco2-*
    (cd "$SCRATCH" && "$SCRATCH/built/bin/python" -I "$OLDPWD/python/tests/installed.py")
}

# What a checkout installs: the command by cargo, and command and library by scripts/install, used by the three lines that it prints.
installed_checkout() {
    local printed file
    cargo install --quiet --locked --path cli --root "$SCRATCH/cargo"
    without_cargo "$SCRATCH/cargo/bin/eco2" --version
    printed=$(scripts/install --prefix "$SCRATCH/prefix")
    uses_library >"$SCRATCH/uses.c"
    without_cargo bash -euc 'eval "$(grep "^  export " <<<"$1")"
        eco2 --version && cd "$2" && cc uses.c $(pkg-config --cflags --libs eco2) -o uses && ./uses' - "$printed" "$SCRATCH"
    [[ $(grep -c '^  export ' <<<"$printed") == 3 ]]
    for file in "$SCRATCH/cargo/bin/eco2" "$SCRATCH/prefix/bin/eco2" "$SCRATCH/prefix/lib/libeco2.so"; do
        echo "$(basename "$file"): $(stat -Lc %s "$file") bytes"
        ! readelf -S "$file" | grep -q '\.debug_info\|\.symtab' || { echo "symbols or debug information in $file" >&2; return 1; }
    done
}

# debian_root PACKAGE...: prints the folder of a Debian 13 that has these packages, those of another architecture with its name (as in
# `zlib1g:arm64`); made once, kept in the user's cache.
debian_root() {
    local folder package native=() foreign=()
    ((EUID == 0)) || skip "needs root for a change of root"
    have debootstrap || install_missing debootstrap=debootstrap >&2
    folder=${XDG_CACHE_HOME:-$HOME/.cache}/eco2/debian13-$(printf '%s\n' "$@" | cksum | cut -d' ' -f1)
    if [[ ! -f $folder/complete ]]; then
        [[ -z ${NO_SETUP:-} ]] || skip "there is no root of Debian 13 yet"
        for package in "$@"; do
            if [[ $package == *:* ]]; then foreign+=("$package"); else native+=("$package"); fi
        done
        rm -rf "$folder"
        debootstrap --variant=minbase --include="$(IFS=, && echo "${native[*]}")" trixie "$folder" >"$SCRATCH/debootstrap.txt" 2>&1 ||
            skip "debootstrap cannot build a Debian 13 here"
        for package in "${foreign[@]}"; do
            in_root "$folder" sh -euc 'dpkg --add-architecture "${0#*:}"; apt-get update; apt-get install --yes --no-install-recommends "$0"' \
                "$package" >>"$SCRATCH/debootstrap.txt" 2>&1 || skip "$package cannot be installed into a Debian 13"
        done
        rm -f "$folder"/var/cache/apt/archives/*.deb
        touch "$folder/complete"
    fi
    printf '%s\n' "$folder"
}

# in_root ROOT COMMAND...: runs it there as root, in an empty environment and with this machine's /proc and /sys. Mounts end with it.
in_root() {
    unshare --mount bash -euc '
        mount -t proc proc "$0/proc"
        mount --rbind /sys "$0/sys"
        exec env -i HOME=/root PATH="${IN_ROOT_PATH-}/usr/sbin:/usr/bin:/sbin:/bin" LC_ALL=C.UTF-8 chroot "$0" "$@"' "$@"
}

# Debian's packages and the wheel in a Debian that has Python and a C compiler, no checkout and no cargo: a newcomer's tasks with each
# of command and wheel, a program with the library, and nothing that stays behind.
installed_deb() {
    local root=$SCRATCH/debian base before
    lint_deb "$1"
    base=$(debian_root gcc libc6-dev pkgconf python3-venv)
    cp -a "$base" "$root"
    mkdir "$root/release"
    cp "$1"/*.deb "$1"/*.whl scripts/newcomer docs/first-run.md "$root/release"
    uses_library >"$root/release/uses.c"
    before=$(files_of "$root")
    in_root "$root" sh -c 'python3 /release/newcomer --install /release/eco2_*.deb /release/first-run.md'
    in_root "$root" sh -c 'apt-get install --quiet --yes /release/libeco2*.deb && ldconfig -p | grep "libeco2.so" &&
        cc /release/uses.c $(pkg-config --cflags --libs eco2) -o /tmp/uses && /tmp/uses && rm /tmp/uses'
    in_root "$root" sh -c 'apt-get purge --quiet --yes eco2 "libeco2*"'
    diff <(echo "$before") <(files_of "$root") || { echo "these files stay behind" >&2; return 1; }
    in_root "$root" python3 -m venv /venv
    IN_ROOT_PATH=/venv/bin: in_root "$root" sh -c 'python3 /release/newcomer --install /release/eco2-*manylinux*.whl /release/first-run.md'
}

# files_of ROOT: the programs, libraries and pages there.
files_of() { (cd "$1" && find usr ! -name '*.pyc' ! -name __pycache__ | sort); }

# No error and no warning of lintian, which also compares a package's dependencies with what its programs load.
lint_deb() {
    have lintian || install_missing lintian=lintian
    # A bug to close belongs to packages that are uploaded to Debian.
    ! have lintian || lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs "$1"/*.deb
}

# built_in_root ROOT [VARIABLE=VALUE...] COMMAND...: runs cargo of the root on this checkout, with the crates that were fetched here.
built_in_root() {
    mkdir -p "$1/src" "$1/cargo/registry"
    unshare --mount bash -euc '
        mount --bind "$PWD" "$0/src"
        mount --bind "${CARGO_HOME:-$HOME/.cargo}/registry" "$0/cargo/registry"
        source scripts/lib/installs.sh
        in_root "$0" env --chdir=/src CARGO_HOME=/cargo CARGO_TARGET_DIR=/tmp/target CARGO_INCREMENTAL=0 CARGO_NET_OFFLINE=true "$@"' "$@"
}

# The libraries and the command are built by the compiler of Debian 13, the oldest that is supported.
oldest_rust() {
    local root
    root=$(debian_root cargo gcc libc6-dev)
    built_in_root "$root" rustc --version
    built_in_root "$root" cargo check --quiet --locked -p eco2-cli -p eco2-ffi
}

# For aarch64, by the cross compiler of Debian and under the emulator of QEMU: the tests of core, and the command. proptest builds with
# Rust 1.85 although it names a newer one; what the tests of samplers need does not.
aarch64() {
    local root target=aarch64-unknown-linux-gnu emulator="qemu-aarch64 -L /usr/aarch64-linux-gnu"
    root=$(debian_root cargo gcc libc6-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user libstd-rust-dev:arm64)
    set -- CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$emulator" CARGO_PROFILE_DEV_DEBUG=0 HOME=/tmp cargo
    built_in_root "$root" "$@" test --quiet --locked --ignore-rust-version --target "$target" -p eco2-core --lib
    built_in_root "$root" "$@" run --quiet --locked --target "$target" -p eco2-cli -- demo
    built_in_root "$root" "$@" run --quiet --locked --target "$target" -p eco2-cli -- run -- true
}
