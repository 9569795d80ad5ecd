#!/bin/sh
# Print the path of a real Python interpreter that can make virtual environments.
#
#   find_python.sh             the newest from 3.9 up
#   find_python.sh 3.9         exactly that version
#   PYTHON=/path find_python.sh    the one given, if it will do
#
# Every candidate is started: a name on PATH may be a version manager's shim or a
# store stub that only says how to install Python.
set -u

wanted=${1:-}

probe() { # command → "minor real-path" when usable
    "$1" -I -c '
import importlib.util as u, os, sys
ok = (3, 9) <= sys.version_info[:2] < (4, 0) and sys.version_info.releaselevel == "final"
if ok and u.find_spec("venv") and u.find_spec("ensurepip") and u.find_spec("sqlite3"):
    here = os.path.realpath(sys.executable)
    print(sys.version_info[1], here)
' 2>/dev/null </dev/null
}

candidates() {
    if [ -n "${PYTHON:-}" ]; then
        echo "$PYTHON"
        return
    fi
    for minor in 14 13 12 11 10 9; do echo "python3.$minor"; done
    echo python3
    echo python
    home=${HOME:-/nonexistent}
    # Version managers keep interpreters that are not on PATH: pyenv (also when only its shims
    # folder tells where it is) and uv.
    shims=$(command -v python3 2>/dev/null) || shims=
    for path in "${PYENV_ROOT:-$home/.pyenv}"/versions/3.*/bin/python3 \
        "${shims%/shims/python3}"/versions/3.*/bin/python3 \
        "${XDG_DATA_HOME:-$home/.local/share}"/uv/python/cpython-3.*/bin/python3 \
        /opt/homebrew/bin/python3 /usr/local/bin/python3 /usr/bin/python3; do
        [ -x "$path" ] && echo "$path"
    done
    return 0
}

best_minor=0
best_path=
while IFS= read -r candidate; do
    found=$(probe "$candidate") || continue
    [ -n "$found" ] || continue
    minor=${found%% *}
    path=${found#* }
    if [ -n "$wanted" ]; then
        [ "3.$minor" = "$wanted" ] && best_path=$path && break
    elif [ "$minor" -gt "$best_minor" ]; then
        best_minor=$minor
        best_path=$path
    fi
done <<LIST
$(candidates)
LIST

if [ -z "$best_path" ]; then
    {
        echo "No usable Python ${wanted:-3.9 or newer} was found (needed with venv, ensurepip and sqlite3)."
        echo "Install one (https://www.python.org/downloads/, 'brew install python',"
        echo "'apt install python3 python3-venv') or name one: make setup PYTHON=/path/to/python3"
    } >&2
    exit 1
fi
echo "$best_path"
