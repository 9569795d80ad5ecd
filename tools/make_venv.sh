#!/bin/sh
# Make the virtual environment $1 with the interpreter $2: the locked dependencies, with
# hashes checked, and this package in editable form. Does nothing when it is up to date.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
venv=$root/$1
python=$2
stamp=$venv/.made-from

wanted=$("$python" -I -c '
import hashlib, pathlib, sys
names = ["python/requirements-dev.lock", "python/pyproject.toml", "tools/make_venv.sh"]
files = b"".join(pathlib.Path(sys.argv[1], name).read_bytes() for name in names)
print(sys.version.split()[0], hashlib.sha256(files).hexdigest())
' "$root")
if [ -x "$venv/bin/harness" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] &&
    "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

echo "Making $1 with $("$python" --version) ($python)" >&2
rm -rf "$venv"
# Only the lock decides what is installed: settings of the machine for other indexes and
# wheel folders stay outside (its certificates and proxies stay in force).
if command -v uv >/dev/null 2>&1; then
    uv venv --quiet --no-project --no-config --python "$python" "$venv"
    VIRTUAL_ENV=$venv uv pip install --quiet --no-config --require-hashes \
        -r "$root/python/requirements-dev.lock"
    VIRTUAL_ENV=$venv uv pip install --quiet --no-config --no-deps --no-build-isolation \
        -e "$root/python"
else
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
        -r "$root/python/requirements-dev.lock"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
        --no-build-isolation -e "$root/python"
fi
echo "$wanted" >"$stamp"
