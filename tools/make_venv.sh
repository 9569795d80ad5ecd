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
rm -rf "$venv"
if command -v uv >/dev/null 2>&1; then
    uv venv --quiet --no-project --no-config --python "$python" "$venv"
    install() { VIRTUAL_ENV=$venv uv pip install --quiet --no-config "$@"; }
else
    "$python" -m venv "$venv"
    install() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
fi
install --require-hashes -r "$root/python/requirements-dev.lock"
install --no-deps --no-build-isolation -e "$root/python"
echo "$wanted" >"$stamp"
