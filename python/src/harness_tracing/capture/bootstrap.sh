#!/bin/sh
# Finds a real Python 3.9 or newer and has it build the installed version (bootstrap.py).
#
#     bootstrap.sh HOME          from capture: in the background, at most once a minute
#     bootstrap.sh HOME --wait   by hand: now, telling what it does
#
# "Real": asked for its own path, it answers. That resolves pyenv shims and virtual
# environments, and leaves out the Windows Store stub and Python 2.

home=$1
mode=${2-}
umask 077
vendor=$(cd "${0%/*}/../.." && pwd) && cd / && mkdir -p "$home/bootstrap" || exit 1

if [ -z "$mode" ]; then
    [ -z "$(find "$home/bootstrap/wait" -mmin -1 2>/dev/null)" ] || exit 0
    touch "$home/bootstrap/wait" || exit 1
fi

question='import sys
sys.version_info >= (3, 9) or sys.exit(1)
print(getattr(sys, "_base_executable", "") or sys.executable)'
carriage_return=$(printf '\r')

# Leaves the real path of an interpreter in $python, if it is one.
ask() {
    # Without the developer tools macOS answers with a dialog instead.
    if [ "$(command -v "$1")" = /usr/bin/python3 ] && [ "$(uname)" = Darwin ]; then
        xcode-select -p >/dev/null 2>&1 || return 1
    fi
    python=$("$@" -I -c "$question" </dev/null 2>/dev/null) || return 1
    python=${python%"$carriage_return"}
    [ -x "$python" ]
}

if ask python3 || ask python ||
    ask python3.14 || ask python3.13 || ask python3.12 || ask python3.11 ||
    ask python3.10 || ask python3.9 || ask py -3 ||
    ask "$(uv python find --no-project '>=3.9' 2>/dev/null)"; then
    # The path goes in by hand: -I keeps the environment's and the folder's modules out.
    exec "$python" -I -B -c 'import sys
sys.path.insert(0, sys.argv.pop(1))
from harness_tracing.bootstrap import main
sys.exit(main(sys.argv[1:]))' "$vendor" --home "$home" ${mode:+"$mode"}
fi

older=
for name in python3 python; do
    [ "$(uname)" != Darwin ] || xcode-select -p >/dev/null 2>&1 || break
    said=$("$name" -V 2>&1 </dev/null) || continue
    case $said in
    *[\"\\]*) ;; # JSON would not take it as it is
    'Python '*) older=" ($name is $said)" && break ;;
    esac
done
then='start a new session'
[ -z "$mode" ] || then='run this again'
message="no Python 3.9 or newer was found$older: install one (https://www.python.org or uv) and $then"
printf '{"state": "failed", "message": "%s", "updated_at_ns": %s000000000}\n' "$message" "$(date +%s)" \
    >"$home/bootstrap/state.json.$$" && mv "$home/bootstrap/state.json.$$" "$home/bootstrap/state.json"
[ -z "$mode" ] || echo "$message" >&2
exit 1
