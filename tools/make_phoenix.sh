#!/bin/sh
# Make .phoenix: a virtual environment with the Phoenix server that the tests run against, from
# its own locked requirements, with hashes checked. PYTHON asks for an interpreter; else the
# newest found is taken. Does nothing when the environment is up to date.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
venv=$root/.phoenix
lock=$root/tests/phoenix/requirements.lock
stamp=$venv/.made-from

wanted="PYTHON=${PYTHON:-}
$(cksum <"$lock")"
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] &&
    "$venv/bin/python" -c 'import fastapi, sqlalchemy' 2>/dev/null; then
    exit 0
fi

python=$(sh "$root/tools/find_python.sh")
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Phoenix needs Python 3.11 or newer, and the newest found is $("$python" --version)" >&2
    echo "($python). Install one, or name one: make setup-phoenix PYTHON=/path/to/python3" >&2
    exit 1
fi
echo "Making .phoenix with $("$python" --version) ($python), 860 MB" >&2

with_uv() { # command of uv
    "$1" venv --quiet --no-project --no-config --python "$python" "$venv" &&
        VIRTUAL_ENV=$venv "$1" pip install --quiet --no-config --require-hashes -r "$lock"
}
with_pip() {
    "$python" -m venv "$venv" &&
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
            --require-hashes -r "$lock"
}

rm -rf "$venv"
# uv is quicker; where it does not get through (its own certificates, say) pip may.
{ command -v uv >/dev/null 2>&1 && with_uv uv; } || { rm -rf "$venv" && with_pip; }
echo "$wanted" >"$stamp"
