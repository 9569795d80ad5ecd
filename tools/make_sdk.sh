#!/bin/sh
# Make .e2e/sdk: a virtual environment with the Claude Agent SDK and what our package needs, as a
# program that uses both has it. PYTHON asks for an interpreter; else the newest found is taken.
# Does nothing when the environment is up to date.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
venv=$root/.e2e/sdk
ours=$root/python/requirements.lock
theirs=$root/tests/e2e/sdk/requirements.txt
stamp=$venv/.made-from

wanted="PYTHON=${PYTHON:-}
$(cat "$ours" "$theirs" | cksum)"
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] &&
    "$venv/bin/python" -c 'import claude_agent_sdk, msgspec' 2>/dev/null; then
    exit 0
fi

python=$(sh "$root/tools/find_python.sh")
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    echo "NOT INSTALLED: the Claude Agent SDK needs Python 3.10 or newer, and the newest found is" >&2
    echo "$("$python" --version) ($python); its tests are skipped. PYTHON=/path/to/python3 names one" >&2
    exit 0
fi
echo "Making .e2e/sdk with $("$python" --version) ($python), 490 MB" >&2

with_uv() { # command of uv
    "$1" venv --quiet --no-project --no-config --python "$python" "$venv" &&
        VIRTUAL_ENV=$venv "$1" pip install --quiet --no-config --require-hashes -r "$ours" &&
        VIRTUAL_ENV=$venv "$1" pip install --quiet --no-config -r "$theirs"
}
with_pip() {
    "$python" -m venv "$venv" &&
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
            --require-hashes -r "$ours" &&
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$theirs"
}

rm -rf "$venv"
# uv is quicker; where it does not get through (its own certificates, say) pip may.
{ command -v uv >/dev/null 2>&1 && with_uv uv; } || { rm -rf "$venv" && with_pip; }
echo "$wanted" >"$stamp"
