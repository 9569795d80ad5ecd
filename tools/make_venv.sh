#!/bin/sh
# Make the virtual environment $1: the locked dependencies, with hashes checked, and this
# package in editable form. $2 asks for a Python version, PYTHON for an interpreter; else the
# newest found is taken. Does nothing when the environment is up to date.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
venv=$root/$1
version=${2:-}
stamp=$venv/.made-from

wanted="PYTHON=${PYTHON:-} $version
$(cd "$root" && cat python/pyproject.toml python/requirements-dev.lock | cksum)"
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && [ -x "$venv/bin/harness" ] &&
    "$venv/bin/python" -c 'import click, harness_tracing' 2>/dev/null; then
    exit 0
fi

python=$(sh "$root/tools/find_python.sh" "$version")
echo "Making $1 with $("$python" --version) ($python)" >&2

install() { # the command that installs, as words
    "$@" --require-hashes -r "$root/python/requirements-dev.lock" &&
        "$@" --no-deps --no-build-isolation -e "$root/python"
}
with_uv() {
    command -v uv >/dev/null 2>&1 &&
        uv venv --quiet --no-project --no-config --python "$python" "$venv" &&
        VIRTUAL_ENV=$venv install uv pip install --quiet --no-config
}
with_pip() {
    "$python" -m venv "$venv" &&
        install "$venv/bin/python" -m pip install --quiet --disable-pip-version-check
}

rm -rf "$venv"
# uv is quicker; where it does not get through (its own certificates, say) pip may.
with_uv || { rm -rf "$venv" && with_pip; }
echo "$wanted" >"$stamp"
