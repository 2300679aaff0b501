# Files of a release, one function for each kind: wheel, pure wheel, source distribution, tar.gz, Debian packages.
# They read OUT, STAGE, LINKER, VERSION and SOURCE_DATE_EPOCH, which scripts/dist sets, and NOTICES and SBOM, which build_release sets.
# shellcheck shell=bash

GLIBC=2.28
AUDITABLE=cargo-auditable@0.7.7
TOOLS=(ziglang==0.17.1 cargo-zigbuild==0.24.1 auditwheel==6.8.2 twine==7.0.0)
MACHINE=$(uname -m)
TRIPLE=$MACHINE-unknown-linux-gnu

# release_tools: makes the environment with PyPI's tools, once, and puts it on the PATH.
release_tools() {
    local folder
    folder=${XDG_CACHE_HOME:-$HOME/.cache}/eco2/dist-$(printf '%s\n' "${TOOLS[@]}" | cksum | cut -d' ' -f1)
    if [[ ! -f $folder/complete ]]; then
        [[ -z ${NO_SETUP:-} ]] || return 1
        rm -rf "$folder"
        { python3 -m venv "$folder" && timeout 900 "$folder/bin/pip" install --quiet "${TOOLS[@]}" && touch "$folder/complete"; } >&2 ||
            return 1
    fi
    PATH=$folder/bin:$PATH
}

# audited_cargo CARGO: puts the words that build with a list of dependencies in each program and library (section .dep-v0), by
# cargo-auditable, into CARGO_WORDS; those that build without it where it cannot be had. CARGO: `cargo` or `cargo-zigbuild`.
audited_cargo() {
    local real
    CARGO_WORDS=("$1")
    if ! command -v cargo-auditable >/dev/null && [[ -z ${NO_SETUP:-} ]]; then
        CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0 cargo install --quiet --locked "$AUDITABLE" >&2 || true
    fi
    command -v cargo-auditable >/dev/null || {
        echo "dist: cargo-auditable could not be installed: programs will have no list of dependencies" >&2
        return 0
    }
    # cargo-auditable starts the command in CARGO, and cargo-zigbuild too.
    real=$(rustup which cargo 2>/dev/null || command -v cargo)
    printf '#!/bin/sh\nCARGO=%q exec %s "$@"\n' "$real" "$1" >"$STAGE/audited-cargo"
    chmod +x "$STAGE/audited-cargo"
    CARGO_WORDS=(env "CARGO=$STAGE/audited-cargo" cargo-auditable auditable)
}

# build_release: builds library and command. Sets BUILT, NATIVE (libraries that the static one needs), FLOOR (oldest glibc).
build_release() {
    local target=${CARGO_TARGET_DIR:-target} build=build profile=release
    if [[ $LINKER == zig ]] && ! release_tools; then
        echo "dist: zig could not be installed: the files will need the glibc of this machine" >&2
        LINKER=host
    fi
    BUILT=$target/release FLOOR=$(host_glibc)
    if [[ $LINKER == zig ]]; then
        build=zigbuild profile=dist BUILT=$target/$TRIPLE/dist FLOOR=$GLIBC
        audited_cargo cargo-zigbuild
        set -- --target "$TRIPLE.$GLIBC"
        # Binaries name their sources relative to the checkout and to cargo's folder, wherever both are.
        export RUSTFLAGS="--remap-path-prefix=$PWD=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
    else
        set --
        # The gates' own builds, which are not made again for a list.
        CARGO_WORDS=(cargo)
    fi
    NATIVE=$(PROFILE=$profile built_library "${CARGO_WORDS[@]}" rustc "$@")
    if [[ $profile == release ]]; then
        "${CARGO_WORDS[@]}" $build --release --locked -p eco2-cli
    else
        "${CARGO_WORDS[@]}" $build "$@" --profile dist-command --locked -p eco2-cli
        cp "$target/$TRIPLE/dist-command/eco2" "$BUILT/eco2"
    fi
    NOTICES=$STAGE/THIRD-PARTY-NOTICES SBOM=$STAGE/eco2.cdx.json
    scripts/third-party notices "$NOTICES"
    scripts/third-party sbom "$SBOM"
    if ((${#CARGO_WORDS[@]} > 1)); then scripts/third-party inside "$BUILT/eco2" "$BUILT/libeco2.so"; fi
}

host_glibc() { getconf GNU_LIBC_VERSION | cut -d' ' -f2; }

# backend HOOK SETTING...: calls a hook of the Python build backend, which writes into OUT and names its file.
backend() {
    local hook=$1
    shift
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=python/build_backend python3 -c '
import sys, eco2_build
print(getattr(eco2_build, sys.argv[1])(sys.argv[2], dict(pair.split("=", 1) for pair in sys.argv[3:])))' "$hook" "$OUT" "$@"
}

release_wheel() {
    local name platform=linux_$MACHINE
    [[ $LINKER == host ]] || platform=manylinux_${GLIBC/./_}_$MACHINE
    rm -f "$OUT"/eco2-"$VERSION"-py3-none-*linux*.whl
    name=$(backend build_wheel "native=$BUILT" "platform=$platform" "notices=$NOTICES" "sbom=$SBOM")
    [[ $LINKER != host ]] || return 0
    # The same streams, found by a longer search.
    if command -v advzip >/dev/null; then
        advzip --recompress --shrink-extra --quiet "$OUT/$name"
    else
        echo "dist: advzip is missing (Debian: advancecomp): the wheel is 3 % larger" >&2
    fi
    audit_wheel "$OUT/$name"
}

# audit_wheel FILE: its binaries need no newer glibc than the one in its name.
audit_wheel() {
    local output oldest
    output=$(auditwheel show "$1" | tr '\n' ' ')
    oldest=$(sed -n 's/.*following platform tag: "manylinux_\([0-9]*\)_\([0-9]*\)_.*/\1.\2/p' <<<"$output")
    [[ -n $oldest && $(printf '%s\n' "$oldest" "$GLIBC" | sort -V | tail -n 1) == "$GLIBC" ]] || {
        echo "$output" >&2
        exit 1
    }
}

release_pure() { backend build_wheel pure=true >/dev/null; }

release_sdist() { backend build_sdist >/dev/null; }

# archive FILE FOLDER NAME: packs NAME in FOLDER, the same bytes for the same content.
archive() {
    tar -C "$2" --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$3" | gzip -9n >"$1"
}

release_tar() {
    local name=eco2-$VERSION-$MACHINE-linux-gnu doc
    install_command "$BUILT" "$STAGE/$name"
    install_library "$BUILT" "$STAGE/$name" lib "$NATIVE" rpath
    doc=$STAGE/$name/share/doc/eco2
    install -d "$doc"
    install -m 644 LICENSE-* README.md CHANGELOG.md grid/NOTICE "$NOTICES" "$SBOM" "$doc"
    archive "$OUT/$name.tar.gz" "$STAGE" "$name"
}

# Debian packages.

DEBIAN_LICENCE='Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: eco2

Files: *
Copyright: 2026 The eco2 contributors
License: MIT or Apache-2.0'

# package NAME SECTION DEPENDS SUMMARY DESCRIPTION: packs the tree STAGE/NAME, adding what Debian's policy asks for.
package() {
    local name=$1 tree=$STAGE/$1 arch doc=$STAGE/$1/usr/share/doc/$1
    arch=$(dpkg --print-architecture)
    install -d "$tree/DEBIAN" "$doc"
    { printf '%s\n\n' "$DEBIAN_LICENCE"; license_texts; } >"$doc/copyright"
    debian_changelog | gzip -9n >"$doc/changelog.Debian.gz"
    gzip -9nc CHANGELOG.md >"$doc/changelog.gz"
    gzip -9nc "$NOTICES" >"$doc/THIRD-PARTY-NOTICES.gz"
    gzip -9nc "$SBOM" >"$doc/eco2.cdx.json.gz"
    cat >"$tree/DEBIAN/control" <<END_CONTROL
Package: $name
Version: $VERSION-1
Architecture: $arch
Maintainer: $(maintainer)
Section: $2
Priority: optional
Depends: $3
Installed-Size: $(du -sk "$tree" | cut -f1)
Source: eco2
Description: $4
$(fold -s -w 78 <<<"$5" | sed 's/^/ /; s/ *$//')
END_CONTROL
    (cd "$tree" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
    find "$tree" -type d -exec chmod 755 {} +
    dpkg-deb --root-owner-group -Zxz --build "$tree" "$OUT/${name}_$VERSION-1_$arch.deb" >/dev/null
}

# install_service TREE: the service of the node agent, its group and its settings; the rule of udev is an example, as it is a choice.
install_service() {
    local from=deploy/systemd
    install -D -m 644 -t "$1/usr/lib/systemd/system" $from/eco2.service $from/eco2.socket
    install -D -m 644 $from/sysusers.d/eco2.conf "$1/usr/lib/sysusers.d/eco2.conf"
    install -D -m 644 -t "$1/usr/share/doc/eco2/examples" $from/udev/90-eco2-powercap.rules
    install -D -m 644 $from/serve.toml "$1/etc/eco2/serve.toml"
    install -d "$1/DEBIAN"
    echo /etc/eco2/serve.toml >"$1/DEBIAN/conffiles"
    printf '%s\n' '#!/bin/sh' 'set -e' '# The user of the service, and the group whose members see every change of the node.' \
        'if [ "$1" = configure ] && command -v systemd-sysusers >/dev/null; then systemd-sysusers eco2.conf; fi' >"$1/DEBIAN/postinst"
    chmod 755 "$1/DEBIAN/postinst"
}

# The publisher of packages sets Debian's variables. The domain of a package that is only tried is reserved for addresses that do not exist (RFC 2606).
maintainer() { printf '%s <%s>' "${DEBFULLNAME:-The eco2 contributors}" "${DEBEMAIL:-eco2@packages.invalid}"; }

debian_changelog() {
    printf 'eco2 (%s-1) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n' "$VERSION" "$(maintainer)" \
        "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
}

license_texts() {
    printf 'License: MIT\n'
    sed '1,/^Copyright/d; s/^$/./; s/^/ /' LICENSE-MIT | sed '1{/^ \.$/d}'
    printf '\nLicense: Apache-2.0\n On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.\n'
}

release_deb() {
    command -v dpkg-deb >/dev/null || {
        echo "dist: no Debian packages: dpkg-deb is missing" >&2
        return 0
    }
    local multiarch libc="libc6 (>= $FLOOR)" library=libeco2-${VERSION%.*} about
    multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo "$MACHINE-linux-gnu")
    about='eco2 reads CPU and memory energy from RAPL and GPU energy from NVML or the library of AMD, and estimates where there is no sensor. Every result has an uncertainty range and its source.'
    install_command "$BUILT" "$STAGE/eco2/usr"
    find "$STAGE/eco2/usr/share/man" -type f -exec gzip -9n {} + 2>/dev/null || true
    install_service "$STAGE/eco2"
    package eco2 utils "$libc" "measure energy use and emissions of training runs" "$about This package has the command."

    install_library "$BUILT" "$STAGE/libeco2-dev/usr" "lib/$multiarch" "$NATIVE"
    install -d "$STAGE/$library/usr/lib/$multiarch" "$STAGE/$library/DEBIAN"
    mv "$STAGE/libeco2-dev/usr/lib/$multiarch/libeco2.so.$VERSION" "$STAGE/libeco2-dev/usr/lib/$multiarch/$SONAME" \
        "$STAGE/$library/usr/lib/$multiarch"
    printf 'activate-noawait ldconfig\n' >"$STAGE/$library/DEBIAN/triggers"
    printf 'libeco2 %s %s (>= %s)\n' "${VERSION%.*}" "$library" "$VERSION" >"$STAGE/$library/DEBIAN/shlibs"
    package "$library" libs "$libc" "measure energy use and emissions from C and C++" "$about This package has the shared library."
    package libeco2-dev libdevel "$library (= $VERSION-1)" "measure energy use and emissions from C and C++ (development)" \
        "$about This package has the headers, the static library and what pkg-config and CMake read."
}
