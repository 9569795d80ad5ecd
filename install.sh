#!/usr/bin/env bash
# Installs harness, the tracer of coding agents, below ~/.arize/harness, and registers it.
#
#     curl -sSL https://raw.githubusercontent.com/<owner>/coding-harness-tracing/main/install.sh |
#         bash -s -- claude
#     ./install.sh claude codex        # from a checkout: that very code
#
# It fetches the code, has its own bootstrap build an environment from locked, hash-checked
# packages, then runs `harness install AGENT` and `harness setup AGENT`. Each step may be
# repeated and takes up what an interrupted one left: running it again completes or updates.
# All of it is in functions, and the last line calls one: of a download that was cut short
# nothing is run.

set -u

repository_default='https://github.com/<owner>/coding-harness-tracing'

usage() {
    cat <<'USAGE'
usage: install.sh AGENT... [options]     install or update, and register with these agents
       install.sh update                 fetch the newest code and register anew what is registered
       install.sh uninstall [AGENT...]   take the hooks of these agents out; without one: everything
       install.sh --help

AGENT is claude, codex or cursor.

  --yes              ask nothing: the configuration comes from environment variables
  --backend NAME     where sessions are sent to: local (nowhere, the default), ax, phoenix, otlp
  --with-skills      the agents get our skills, too: manage-tracing and trace
  --branch NAME      this branch or tag of the repository
  --keep-store, --delete-store   with uninstall: what becomes of the recorded sessions

variables:
  HARNESS_REPOSITORY   where the code comes from: a git URL, a .tar.gz, or a folder with a checkout
  ARIZE_HARNESS_HOME   where everything is put instead of ~/.arize/harness
  https_proxy, PIP_INDEX_URL, PIP_CERT and their like count as they do for git, curl and pip
USAGE
}

say() { printf '%s\n' "$*" >&2; }

fail() { # code, what happened and what to do
    local code=$1
    shift
    say "install.sh: $*"
    exit "$code"
}

is_package() { [ -f "$1/python/src/harness_tracing/bootstrap.py" ]; }

# --- where things are --------------------------------------------------------------------------

find_home() {
    home=${ARIZE_HARNESS_HOME:-}
    case $home in
    /* | [A-Za-z]:[/\\]*) ;;
    '~'/*) home=${HOME:-}/${home#??} ;;
    '') home=${HOME:?'install.sh: HOME is not set'}/.arize/harness ;;
    *) fail 2 "ARIZE_HARNESS_HOME is $home, which is another folder everywhere: make it absolute" ;;
    esac
    harness=$home/bin/harness
}

open_home() {
    fetched=$home/bootstrap/source.$$
    trap clear_away EXIT
    trap 'exit 130' HUP INT TERM
    if ! { mkdir -p "$home/bootstrap" && : >"$home/bootstrap/.$$" && rm -f "$home/bootstrap/.$$"; } 2>/dev/null; then
        fail 1 "cannot write in $home. Make it a folder that is yours (chown, chmod u+w)," \
            "or name another place: ARIZE_HARNESS_HOME=/path/to/folder. Nothing was changed."
    fi
    # What was killed has left its sources behind.
    local left
    for left in "$home"/bootstrap/source.*; do
        [ ! -d "$left" ] || kill -0 "${left##*.}" 2>/dev/null || rm -rf "$left"
    done
}

clear_away() {
    rm -rf "$fetched"
    # Nothing but what we made and did not need.
    rmdir "$home/bootstrap" "$home" "${home%/*}" 2>/dev/null
    return 0
}

# --- the code ----------------------------------------------------------------------------------

# Leaves the folder of the code in $code: from git, else a tarball, else the checkout we lie in.
find_code() {
    local here=''
    [ -z "${BASH_SOURCE[0]-}" ] || here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
    is_package "$here" || here=''
    repository=${HARNESS_REPOSITORY:-}
    if [ -z "$repository$branch" ] && [ -n "$here" ]; then
        repository=$here
    elif [ -z "$repository" ] && [ "$command" = update ] && [ -r "$home/bootstrap/origin" ]; then
        { read -r repository && read -r origin_branch; } <"$home/bootstrap/origin"
        branch=${branch:-$origin_branch}
    fi
    repository=${repository:-$repository_default}
    if [ -z "$branch" ] && is_package "$repository"; then
        code=$repository
        return
    fi
    code=$fetched
    case $repository in
    *'<owner>'*)
        [ -z "$here" ] || repository=$here
        [ -n "$here" ] || fail 1 "this copy does not know where it was published. Say it:" \
            "HARNESS_REPOSITORY=https://github.com/OWNER/coding-harness-tracing"
        ;;
    esac
    say "Fetching $repository${branch:+, $branch}"
    reason=''
    from_git || from_tarball || if [ -n "$here" ] && [ -z "$branch" ]; then
        say "It could not be fetched (${reason:-neither git, curl nor wget is here}): taking $here"
        code=$here
    elif [ -z "$reason" ]; then
        fail 1 "git is needed to fetch the code, or curl or wget. Install one of them (Debian," \
            "Ubuntu: apt install git; macOS: xcode-select --install), or run install.sh from a" \
            "checkout. Nothing was changed."
    else
        fail 1 "the code could not be fetched: $reason. Is this machine online? Behind a proxy set" \
            "https_proxy; where only a checkout is at hand, run the install.sh in it. Nothing was" \
            "changed."
    fi
    is_package "$code" || fail 1 "$repository${branch:+, $branch} does not hold this program:" \
        "mend HARNESS_REPOSITORY or --branch. Nothing was changed."
}

from_git() {
    case $repository in *.tar.gz | *.tgz) return 1 ;; esac
    command -v git >/dev/null || return 1
    local said
    said=$(GIT_TERMINAL_PROMPT=0 git clone --quiet --depth 1 ${branch:+--branch "$branch"} \
        -- "$repository" "$fetched" 2>&1 </dev/null) && return 0
    rm -rf "$fetched"
    reason=$(printf '%s\n' "$said" | grep -v '^warning:' | head -n 1)
    reason=${reason:-git clone failed}
    return 1
}

from_tarball() {
    local url=${repository%.git} said
    case $repository in
    *.tar.gz | *.tgz) url=$repository ;;
    http://* | https://*) url=$url/archive/${branch:-HEAD}.tar.gz ;;
    *) return 1 ;;
    esac
    local archive=$fetched/archive.tar.gz
    mkdir -p "$fetched"
    if command -v curl >/dev/null; then
        said=$(curl -fsSL -o "$archive" "$url" 2>&1 </dev/null)
    elif command -v wget >/dev/null; then
        said=$(wget -q -O "$archive" "$url" 2>&1 </dev/null)
    else
        return 1
    fi || {
        reason=${reason:-${said:-$url is not there}}
        return 1
    }
    said=$(tar -xzf "$archive" -C "$fetched" --strip-components 1 2>&1) && rm -f "$archive" && return 0
    reason=${said%%$'\n'*}
    return 1
}

# --- the steps ---------------------------------------------------------------------------------

build() {
    sh "$code/python/src/harness_tracing/capture/bootstrap.sh" "$home" --wait </dev/null ||
        fail 1 "the environment could not be built, for the reason above. Nothing was registered;" \
            "mend that and run this again."
    # What `harness update` runs: this script, and where it got the code from.
    put "$home/bootstrap/install.sh" <"$code/install.sh"
    printf '%s\n%s\n' "$repository" "$branch" | put "$home/bootstrap/origin"
}

put() { # a file that is there whole or not at all
    cat >"$1.$$" && mv "$1.$$" "$1"
}

register() { # agents
    local agent
    for agent; do
        "$harness" install "$agent" </dev/null || exit
        [ -z "$skills" ] || "$harness" skills install "$agent" </dev/null || exit
    done
}

configure() { # agents
    local agent
    for agent; do
        set -- setup "$agent"
        [ -z "$backend" ] || set -- "$@" --backend "$backend"
        if [ -n "$yes" ]; then
            "$harness" "$@" --yes </dev/null || exit
        elif [ -t 0 ]; then
            "$harness" "$@" || exit
        elif { : </dev/tty; } 2>/dev/null; then
            "$harness" "$@" </dev/tty || exit
        else
            say "There is no terminal to ask at, so sessions stay on this machine. To send them" \
                "somewhere: harness $*, or run this again with --yes and the backend's variables."
            return
        fi
    done
}

registered() { # the agents whose hooks we have put in
    local folder
    for folder in "$home"/registrations/*/; do
        [ ! -d "$folder" ] || basename "$folder"
    done
}

tell_path() {
    case :${PATH:-}: in *":$home/bin:"*) return ;; esac
    say "The command is $harness. To call it by its name:"
    say "    export PATH=\"$home/bin:\$PATH\""
}

uninstall() { # agents and options
    [ -x "$harness" ] || {
        say "Nothing is installed in $home."
        return
    }
    "$harness" --version >/dev/null 2>&1 </dev/null ||
        fail 1 "the installed version does not start. Repair it first (install.sh update), then" \
            "uninstall."
    if [ $# = 0 ] || [ "${1#--}" != "$1" ]; then
        set -- uninstall --all "$@"
        if [ ! -t 0 ] && { : </dev/tty; } 2>/dev/null; then exec "$harness" "$@" </dev/tty; fi
        exec "$harness" "$@"
    fi
    local agent
    for agent; do
        case $agent in --*) continue ;; esac
        "$harness" uninstall "$agent" </dev/null || exit
    done
}

read_arguments() {
    command='' yes='' backend='' skills='' branch='' agents='' store=''
    while [ $# -gt 0 ]; do
        case $1 in
        -h | --help) usage && exit ;;
        -y | --yes) yes=--yes ;;
        --with-skills) skills=yes ;;
        --keep-store | --delete-store) store=$1 ;;
        --all) ;; # as with `harness uninstall --all`: it is what uninstall means without an agent
        --backend | --branch)
            [ $# -gt 1 ] || fail 2 "$1 needs a value. See install.sh --help"
            case $1 in --backend) backend=$2 ;; *) branch=$2 ;; esac
            shift
            ;;
        --backend=*) backend=${1#*=} ;;
        --branch=*) branch=${1#*=} ;;
        -*) fail 2 "there is no option $1. See install.sh --help" ;;
        update | uninstall)
            [ -z "$command$agents" ] || fail 2 "$1 has to come first. See install.sh --help"
            command=$1
            ;;
        *[!a-z-]*) fail 2 "'$1' is no agent. See install.sh --help" ;;
        *) agents="$agents $1" ;;
        esac
        shift
    done
    case $backend in
    '' | local | ax | phoenix | otlp) ;;
    *) fail 2 "there is no backend '$backend': it is local, ax, phoenix or otlp" ;;
    esac
    [ -n "$command$agents" ] || fail 2 "which agent? claude, codex or cursor. See install.sh --help"
}

main() {
    read_arguments "$@"
    umask 077
    find_home
    # shellcheck disable=SC2086 # lists of words without anything to split or expand in them
    case $command in
    uninstall) uninstall $agents $yes $store ;;
    update)
        open_home && find_code && build && agents=$(registered) && register $agents
        ;;
    *)
        open_home && find_code && build && register $agents && configure $agents && tell_path
        ;;
    esac
}

main "$@"
