# shellcheck shell=dash
# Puts one hook payload on disk and returns: silent, exit 0, one child process as a rule.
#
# The line registered with the agent sources this file, so that no second shell starts:
#     set -- AGENT EVENT THIS_FILE [PYTHON]; exec >/dev/null 2>&1; command . "$3" || :
# With an agent that runs hooks in the user's own shell, a POSIX one takes that one's place:
#     exec /bin/sh -c 'exec >/dev/null 2>&1; command . "$3" || :' harness AGENT EVENT THIS_FILE [PYTHON]
# PYTHON is the interpreter to run the worker with; without it (plugins) the installed
# version's is taken, and where that is missing or older, bootstrap.sh builds one.
#
# Runs under dash, busybox sh and bash in POSIX mode (3.2). Everything but `dd` and `cat`
# is a builtin; `read`, `${x#*y}` and friends never see the payload, their cost grows with
# it or with its square. Every name begins with h_: the environment may hold any other.

# Any value but 0 counts, and no other setting comes first.
case ${HARNESS_UNTRACED:-0} in 0) ;; *) return 0 ;; esac
case ${ARIZE_TRACE_ENABLED-} in
0 | [Ff][Aa][Ll][Ss][Ee] | [Nn][Oo] | [Oo][Ff][Ff]) return 0 ;;
esac

h_agent=$1 h_event=$2 h_capture=$3 h_given=${4-}
h_version=0.1.0

# The few facts about an agent that are needed here; a test holds them against its descriptor.
case $h_agent in
claude-code)
    h_session=${CLAUDE_CODE_SESSION_ID-}
    h_pid=${CLAUDE_PID-}
    h_foreign=${CURSOR_VERSION-}${COPILOT_CLI-}
    h_project=${CLAUDE_PROJECT_DIR-}
    h_key=session_id
    h_ends='Stop SessionEnd'
    ;;
codex)
    h_session=
    h_pid=$PPID
    h_foreign=
    h_project=
    h_key=session_id
    h_ends='Stop SessionEnd'
    ;;
cursor)
    h_session=
    h_pid=$PPID
    h_foreign=
    h_project=
    h_key=conversation_id
    h_ends='stop sessionEnd'
    ;;
*) return 0 ;;
esac

# Other agents run Claude Code's hooks too, with payloads of their own.
case $h_session,$h_foreign in ,?*) return 0 ;; esac

# Whether a variable may come from a cloned project's settings.
h_of_project() {
    for h_settings in settings.json settings.local.json; do
        h_settings=$h_project/.claude/$h_settings
        [ -n "$h_project" ] && [ -f "$h_settings" ] || continue
        while IFS= read -r h_line || [ -n "$h_line" ]; do
            case $h_line in *"$1"* | *\\u*) return 0 ;; esac
        done <"$h_settings"
    done
    return 1
}

# --- where to ------------------------------------------------------------------------------

case ${HOME-} in /* | [A-Za-z]:[/\\]*) h_home=$HOME/.arize/harness ;; *) h_home= ;; esac
# A named home that is not absolute would be another one in every folder: it is not used.
h_named=${ARIZE_HARNESS_HOME-}
case $h_named in '~'/*) h_named=${HOME-}/${h_named#??} ;; esac
case $h_named in
/* | [A-Za-z]:[/\\]*)
    # Nor is one that a project may have named: code is started from there.
    ! h_of_project ARIZE_HARNESS_HOME || h_named=
    [ ! -e "$h_named" ] || [ -O "$h_named" ] || return 0
    h_home=${h_named:-$h_home}
    ;;
esac
[ -n "$h_home" ] || return 0

# The session id: the agent's variable, else looked for in the first 4 kB. The worker reads
# the whole payload and has the last word. ($() drops final newlines; JSON is none the poorer.)
h_head=
set -f
if [ -z "$h_session" ] || [ -n "$h_foreign" ]; then
    h_head=$(dd bs=4096 count=1)
    h_seen=
    IFS='"'
    # shellcheck disable=SC2086 # split at every quote: linear, unlike ${h_head#*key}
    for h_word in $h_head; do
        # A quote in the state's name keeps it apart from every word.
        case $h_seen$h_word in
        session_id | conversation_id | sessionId | hookEventName | timestamp)
            h_seen='key"' h_found=$h_word
            ;;
        'key":' | 'key" :' | 'key": ' | 'key" : ') h_seen='value"' ;;
        'value"'*)
            h_seen=
            case $h_agent,$h_found in
            *,"$h_key")
                # Another agent within Claude Code, or the other way round, hands on variables.
                [ "${h_session:-$h_word}" = "$h_word" ] || return 0
                h_session=$h_word && break
                ;;
            # Cursor's name for it; Claude Code writes none of what Copilot and VS Code do.
            *,conversation_id | claude-code,*) return 0 ;;
            esac
            ;;
        *) h_seen= ;;
        esac
    done
    unset IFS
fi
# Spelt out, since ranges depend on the locale in old shells.
case $h_session in
'' | [._]* | *[!0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._-]*) h_session=_common ;;
esac
[ ${#h_session} -le 128 ] || h_session=_common
case $h_pid in '' | *[!0123456789]*) h_pid=0 ;; esac

# --- the event -----------------------------------------------------------------------------

umask 077
set -C
h_dir=$h_home/spool/$h_agent/$h_session
# We make these folders ourselves: a link in their place was put there by somebody else.
for h_file in "$h_home/spool" "$h_home/spool/$h_agent" "$h_dir"; do
    [ ! -L "$h_file" ] || return 0
done
h_base=$h_dir/$h_event.$h_pid.$$
h_file=$h_base
h_count=0
while :; do
    [ -d "$h_dir" ] || mkdir -p "$h_dir" || return 0
    [ -O "$h_dir" ] || return 0
    h_opened=
    { h_opened=1 && printf %s "$h_head" && cat; } >"$h_file"
    [ -z "$h_opened" ] || break
    # The name is taken, or a leaving worker has just removed the folder; else we cannot write.
    [ -e "$h_file" ] || [ ! -d "$h_dir" ] || return 0
    h_count=$((h_count + 1))
    [ "$h_count" -lt 100 ] || return 0
    h_file=$h_base.$h_count
done

# --- the worker ----------------------------------------------------------------------------

# Stays until the event's turn or session is delivered, where that was asked for.
h_await() {
    [ -n "${ARIZE_EXPORT_WAIT_S-}" ] || return 0
    case " $h_ends " in *" $h_event "*) command . "${h_capture%/*}/wait.sh" ;; esac
}

# A live worker keeps its pid file's time ahead of now. (Git for Windows cannot ask for
# foreign processes: there the time alone has to do.)
if [ "$h_dir/worker.pid" -nt "$h_file" ] && read -r h_worker <"$h_dir/worker.pid"; then
    case $h_worker in
    '' | 0 | *[!0123456789]*) ;;
    *)
        if [ -n "${MSYSTEM-}" ] || kill -0 "$h_worker"; then
            h_await "$h_worker"
            return 0
        fi
        ;;
    esac
fi

for h_python in "$h_given" "$h_home/current/bin/python" "$h_home/current/Scripts/python.exe" ''; do
    [ ! -x "$h_python" ] || break
done

# A function, so that of a file cut anywhere nothing runs that the agent would wait for.
h_start() {
    trap '' HUP INT TERM
    (
        h_bootstrap=${h_capture%/*}/bootstrap.sh
        cd / || exit 0
        # A given interpreter belongs to an installation of its own; else ours has to be there.
        h_current=
        case $h_python in
        '') ;;
        "$h_given") h_current=$h_version ;;
        *) read -r h_current <"$h_home/current/version" ;;
        esac
        [ "$h_current" = "$h_version" ] || [ "$h_home/bootstrap/wait" -nt "$h_file" ] ||
            sh "$h_bootstrap" "$h_home" &
        [ -n "$h_python" ] || exit 0
        set -- -I -m harness_tracing.worker --home "$h_home" --agent "$h_agent" --session "$h_session"
        # Only what lies in our home is ours to rebuild.
        case $h_python in "$h_home"/*) ;; *) exec "$h_python" "$@" ;; esac
        "$h_python" "$@"
        # A worker ends with 0, or because somebody asked it to.
        case $? in 0 | 129 | 130 | 143) exit 0 ;; esac
        [ ! -d "$h_home" ] || [ "$h_home/bootstrap/wait" -nt "$h_file" ] ||
            exec sh "$h_bootstrap" "$h_home"
    ) </dev/null >/dev/null 2>&1 &
}
h_start
h_await ''
return 0
