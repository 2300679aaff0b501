# Frameworks: Python environments with the trainers that eco2 works with; built once, kept in the user's cache.
# shellcheck shell=bash

# Debian's torch is for CPUs and a tenth of the size of PyPI's; it belongs to the system's python3 only.
SYSTEM_PYTHON=/usr/bin/python3

# system_torch: brings Debian's torch, and what environments are made with; fails where it cannot.
system_torch() {
    "$SYSTEM_PYTHON" -c 'import ensurepip, importlib.util as u; assert u.find_spec("torch")' 2>/dev/null && return
    [[ -z ${NO_SETUP:-} ]] && have apt-get && as_root true 2>/dev/null || return 1
    echo "setup: installing python3-torch, once"
    { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive \
        timeout 600 apt-get install -y -qq --no-install-recommends python3-torch python3-venv; } >"$SCRATCH/torch.log" 2>&1
}

# framework_venv NAME PACKAGE...: prints the folder of an environment over the system's packages that has these too.
framework_venv() { PYTHON=$SYSTEM_PYTHON SYSTEM_SITE=1 python_venv "$@"; }

# with_frameworks VENV ARGUMENT...: runs its Python on this tree's modules and built library, with no network to a hub.
with_frameworks() {
    local venv=$1 build
    shift
    build=$(realpath "$TARGET_DIR")
    HF_HUB_OFFLINE=1 REQUIRE_REAL=1 PYTHONPATH=$PWD/python/src:$PWD/python/tests ECO2_LIBRARY=$build/debug/libeco2.so \
        ECO2_COMMAND=$build/release/eco2 FAKE_NVML_LIBRARY=$build/debug/libnvidia_ml_fake.so "$venv/bin/python" "$@"
}

TRAINER=(transformers==4.46.3 accelerate==1.2.1 'numpy<2')

# The real Trainer on a tiny model, and its example.
trainer() {
    local venv
    system_torch || skip "no torch for $SYSTEM_PYTHON (Debian: python3-torch python3-venv)"
    venv=$(framework_venv trainer "${TRAINER[@]}") || skip "transformers could not be installed"
    cargo build --locked --quiet -p eco2-ffi -p fake-nvml
    with_frameworks "$venv" -m unittest hf_real_trainer hf_real_example hf_real_budget
}

# A real IPython, a notebook in a real kernel, the example with scikit-learn, and the package's types by mypy.
NOTEBOOK=(ipython==9.18.1 ipykernel==7.4.0 nbclient==0.11.0 nbformat==5.11.1 scikit-learn==1.9.1 mypy==2.4.1)
notebook() {
    local venv version
    python3_venv || skip "python3 has no venv (Debian: python3-venv)"
    venv=$(SYSTEM_PYTHON=$(command -v python3) framework_venv notebook "${NOTEBOOK[@]}") || skip "they could not be installed"
    cargo build --locked --quiet -p eco2-ffi -p fake-nvml
    with_frameworks "$venv" -m unittest real_notebook real_sklearn
    # The package, for the oldest Python that mypy knows and for a new one; and a program as users write it, strictly.
    for version in 3.10 3.14; do
        (cd python && "$venv/bin/mypy" --python-version "$version")
    done
    (cd python && "$venv/bin/mypy" --strict --follow-imports=silent tests/typed_program.py)
}

# Lightning, Accelerate, MLflow on sqlite, Weights & Biases and Neptune offline.
frameworks() {
    local venv
    system_torch || skip "no torch for $SYSTEM_PYTHON (Debian: python3-torch python3-venv)"
    venv=$(framework_venv frameworks "${TRAINER[@]}" lightning==2.2.5 mlflow==3.17.2 wandb==0.31.0 neptune==1.14.0.post2) || skip "they could not be installed"
    cargo build --locked --quiet -p eco2-ffi
    with_frameworks "$venv" -m unittest hf_real_frameworks
}

cyclonedx_venv() { python_venv cyclonedx 'cyclonedx-python-lib[json-validation]==11.12.0'; }
# A bill of materials by the schema of CycloneDX.
bill_of_materials() {
    local venv
    python3_venv || skip "python3 has no venv (Debian: python3-venv)"
    venv=$(cyclonedx_venv) || skip "cyclonedx-python-lib could not be installed"
    cargo build --locked --quiet -p eco2-ffi
    with_frameworks "$venv" -m unittest hf_modality
}

# JAX on the CPU, and two actors of Ray.
jax_and_ray() {
    local venv
    python3_venv || skip "python3 has no venv (Debian: python3-venv)"
    venv=$(python_venv jax-ray jax==0.10.2 ray==2.60.0) || skip "they could not be installed"
    cargo build --locked --quiet -p eco2-ffi
    with_frameworks "$venv" -m unittest real_frameworks.Examples
}

# DeepSpeed's launcher with two ranks and no GPU; it counts processors by numactl.
deepspeed_launcher() {
    local venv
    system_torch || skip "no torch for $SYSTEM_PYTHON (Debian: python3-torch python3-venv)"
    have numactl || install_missing numactl=numactl
    venv=$(framework_venv deepspeed deepspeed==0.14.4 'numpy<2') || skip "deepspeed could not be installed"
    cargo build --locked --quiet -p eco2-ffi
    with_frameworks "$venv" -m unittest real_frameworks.DeepSpeed
}

# The Trainer, Lightning, Accelerate, TensorBoard and torchrun of today, with PyPI's torch: 7 GB, built once.
CURRENT=(torch==2.15.0 transformers==5.23.0 accelerate==1.15.0 lightning==2.6.6 tensorboard==2.21.0)
current_torch() {
    local venv real=hf_real_frameworks.Frameworks
    venv=$(framework_venv current "${CURRENT[@]}") || skip "they could not be installed"
    cargo build --locked --quiet -p eco2-ffi -p fake-nvml
    with_frameworks "$venv" -m unittest hf_real_trainer hf_real_example hf_real_budget hf_real_torchrun \
        $real.test_d32_lightning $real.test_accelerate $real.test_tensorboard_has_figures_by_step
}
