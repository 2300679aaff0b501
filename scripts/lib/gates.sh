# Gates: named checks that are all run, timed and counted, whatever becomes of the ones before.
# shellcheck shell=bash

GATES_LOG=()
ONLY=() # names of the gates to run; all where there is none
REQUIRED=() # names of the gates that may not be skipped
PASSED=0
FAILED=0
SKIPPED=0

# gate NAME COMMAND [ARGUMENT...]: runs the command in a subshell that stops at its first error.
gate() {
    local name=$1 start=$SECONDS code verdict
    shift
    wanted "$name" || return 0
    printf '\n=== %s\n' "$name"
    rm -f "$SCRATCH/reason"
    set +e
    (
        set -e
        "$@"
    )
    code=$?
    set -e
    if ((code == 0)); then
        verdict=passed PASSED=$((PASSED + 1))
    elif ((code == 77)) && [[ -f $SCRATCH/reason ]]; then
        if listed "$name" "${REQUIRED[@]}"; then
            verdict="FAILED (required, but skipped: $(<"$SCRATCH/reason"))" FAILED=$((FAILED + 1))
        else
            verdict="skipped: $(<"$SCRATCH/reason")" SKIPPED=$((SKIPPED + 1))
        fi
    else
        verdict="FAILED (exit code $code)" FAILED=$((FAILED + 1))
    fi
    GATES_LOG+=("$(printf '%5d s  %-22s %s' $((SECONDS - start)) "$name" "$verdict")")
    printf -- '--- %s: %s, %d s\n' "$name" "$verdict" $((SECONDS - start))
}

wanted() { ((${#ONLY[@]} == 0)) || listed "$1" "${ONLY[@]}"; }

# listed NAME NAMES...: whether the first is one of the others.
listed() {
    local name
    for name in "${@:2}"; do
        [[ $name != "$1" ]] || return 0
    done
    return 1
}

# skip REASON: ends the gate it is called in as neither passed nor failed; a required gate fails.
skip() {
    printf '%s\n' "$1" >"$SCRATCH/reason"
    exit 77
}

# gates_summary: prints one line a gate and the counts; fails if a gate failed.
gates_summary() {
    printf '\n=== summary\n'
    ((${#GATES_LOG[@]})) || { echo "no gate has that name" >&2; return 1; }
    printf '%s\n' "${GATES_LOG[@]}"
    printf 'gates: %d passed, %d failed, %d skipped in %d s\n' "$PASSED" "$FAILED" "$SKIPPED" "$SECONDS"
    ((FAILED == 0))
}
