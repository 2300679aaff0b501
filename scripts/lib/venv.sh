# Python environments with packages from PyPI: built once and kept in the user's cache; with NO_SETUP none is built.
# shellcheck shell=bash

# python_venv NAME ARGUMENT...: prints the folder of an environment for which pip was given the arguments. PYTHON is the interpreter
# [default: python3]; with SYSTEM_SITE the environment also has the system's packages.
python_venv() {
    local name=$1 folder flags=()
    shift
    folder=${XDG_CACHE_HOME:-$HOME/.cache}/eco2/$name-$(printf '%s\n' "$@" | cksum | cut -d' ' -f1)
    if [[ ! -f $folder/complete ]]; then
        [[ -z ${NO_SETUP:-} ]] || return 1
        [[ -z ${SYSTEM_SITE:-} ]] || flags=(--system-site-packages)
        rm -rf "$folder"
        "${PYTHON:-python3}" -m venv "${flags[@]}" "$folder" &&
            timeout 900 "$folder/bin/pip" install --quiet "$@" >&2 && touch "$folder/complete" || return 1
    fi
    printf '%s\n' "$folder"
}
