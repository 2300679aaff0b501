# Layout of an installed eco2: command, library, headers, pkg-config file, CMake package, pages and completions under one prefix.
# shellcheck shell=bash

VERSION=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
SONAME=libeco2.so.${VERSION%.*}

# built_library CARGO...: builds libeco2 with this command and prints the libraries that the static one needs, as rustc names
# them; cargo repeats that when nothing has changed. PROFILE is cargo's profile, release where it is not set.
built_library() {
    local output native
    if ! output=$("$@" --profile "${PROFILE:-release}" --locked -p eco2-ffi --lib -- --print native-static-libs 2>&1); then
        printf '%s\n' "$output" >&2
        return 1
    fi
    native=$(sed -n 's/^note: native-static-libs: //p' <<<"$output" | tail -n 1)
    [[ -n $native ]] || {
        echo "rustc named no native libraries" >&2
        return 1
    }
    printf '%s\n' "$native"
}

# install_command BUILT PREFIX [RUNS]: the command, with the manual pages and completions that it prints. RUNS is the same command
# for this machine, if BUILT has one for another.
install_command() {
    local built=$1 share=$2/share runs=${3:-$1/eco2}
    install -D -m 755 "$built/eco2" "$2/bin/eco2"
    if ! "$runs" man >/dev/null 2>&1; then
        return 0
    fi
    install -d "$share/bash-completion/completions" "$share/zsh/vendor-completions" "$share/fish/vendor_completions.d"
    "$runs" completions bash >"$share/bash-completion/completions/eco2"
    "$runs" completions zsh >"$share/zsh/vendor-completions/_eco2"
    "$runs" completions fish >"$share/fish/vendor_completions.d/eco2.fish"
    "$runs" man -o "$share/man/man1"
}

# install_library BUILT PREFIX LIBDIR NATIVE RPATH: libraries, headers and what build systems read. LIBDIR is relative to the
# prefix; NATIVE are the libraries that the static one needs; RPATH is "rpath" where programs shall find the library by its path.
install_library() {
    local built=$1 prefix=$2 lib=$2/$3 libdir=$3 native=$4 rpath=${5:-}
    install -d "$lib/pkgconfig" "$lib/cmake/eco2" "$prefix/include"
    install -m 644 include/eco2.h include/eco2.hpp "$prefix/include"
    install -m 644 "$built/libeco2.so" "$lib/libeco2.so.$VERSION"
    install -m 644 "$built/libeco2.a" "$lib/libeco2.a"
    # The compiler strips programs and shared libraries only.
    if command -v strip >/dev/null; then strip --strip-debug --enable-deterministic-archives "$lib/libeco2.a"; fi
    ln -sf "libeco2.so.$VERSION" "$lib/$SONAME"
    ln -sf "$SONAME" "$lib/libeco2.so"
    pkg_config_file "$libdir" "$native" "$rpath" >"$lib/pkgconfig/eco2.pc"
    cmake_config "$libdir" "$native" >"$lib/cmake/eco2/eco2Config.cmake"
    cmake_version >"$lib/cmake/eco2/eco2ConfigVersion.cmake"
}

# upwards PATH: the way from PATH, which is relative, back to where it starts: `lib/pkgconfig` gives `../..`.
upwards() { sed 's,[^/][^/]*,..,g' <<<"$1"; }

pkg_config_file() {
    local libdir=$1 native=$2 link="-L\${libdir}"
    [[ -z $3 ]] || link+=" -Wl,-rpath,\${libdir}"
    cat <<END_PC
prefix=\${pcfiledir}/$(upwards "$libdir/pkgconfig")
libdir=\${prefix}/$libdir
includedir=\${prefix}/include

Name: eco2
Description: Energy use and emissions of machine-learning training
Version: $VERSION
Cflags: -I\${includedir}
Libs: $link -leco2
Libs.private: $native
END_PC
}

cmake_config() {
    local libdir=$1 native=$2
    cat <<END_CMAKE
# Targets: eco2::eco2 (shared), eco2::eco2_static.
get_filename_component(ECO2_PREFIX "\${CMAKE_CURRENT_LIST_DIR}/$(upwards "$libdir/cmake/eco2")" ABSOLUTE)
if(NOT TARGET eco2::eco2)
  add_library(eco2::eco2 SHARED IMPORTED)
  set_target_properties(eco2::eco2 PROPERTIES
    IMPORTED_LOCATION "\${ECO2_PREFIX}/$libdir/libeco2.so.$VERSION"
    IMPORTED_SONAME "$SONAME"
    INTERFACE_INCLUDE_DIRECTORIES "\${ECO2_PREFIX}/include")
  add_library(eco2::eco2_static STATIC IMPORTED)
  set_target_properties(eco2::eco2_static PROPERTIES
    IMPORTED_LOCATION "\${ECO2_PREFIX}/$libdir/libeco2.a"
    INTERFACE_INCLUDE_DIRECTORIES "\${ECO2_PREFIX}/include"
    INTERFACE_LINK_LIBRARIES "${native// /;}")
endif()
END_CMAKE
}

cmake_version() {
    cat <<END_CMAKE
# Until 1.0 every minor version may change the interface.
set(PACKAGE_VERSION "$VERSION")
if(PACKAGE_FIND_VERSION_MAJOR EQUAL ${VERSION%%.*} AND PACKAGE_FIND_VERSION_MINOR EQUAL $(cut -d. -f2 <<<"$VERSION")
   AND NOT PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
END_CMAKE
}
