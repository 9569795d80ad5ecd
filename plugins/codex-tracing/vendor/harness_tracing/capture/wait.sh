# shellcheck shell=dash disable=SC2154 # the other names are capture.sh's, which sources this
# Holds up the end of a turn or a session until its worker has delivered what is final, at most
# $ARIZE_EXPORT_WAIT_S seconds: for containers that die with the agent. Silent, exit 0.
#
# The question is an empty file in the session's folder. The worker removes it when nothing is
# left to deliver, or writes into it why something stays; one that leaves has done what it could.
# $1 is the live worker's process; empty: one has just been started.

h_wait=$ARIZE_EXPORT_WAIT_S
case $h_wait in '' | *[!0123456789]*) return 0 ;; ????*) h_wait=600 ;; esac
[ "$h_wait" -le 600 ] || h_wait=600
[ "$h_wait" -gt 0 ] && ! h_of_project ARIZE_EXPORT_WAIT_S || return 0

# Whoever ends us gets the file cleared away as well.
trap 'h_wait=0' HUP INT TERM
h_request=$h_dir/flush.wait.$$
printf '' >|"$h_request" || return 0
h_worker=$1 h_gone='' h_tenths=0
while [ "$h_tenths" -lt "${h_wait}0" ] && [ -f "$h_request" ] && [ ! -s "$h_request" ]; do
    # Newer than the question, since the event may be gone by now.
    if [ "$h_dir/worker.pid" -nt "$h_request" ]; then
        h_worker=live h_gone=''
    elif [ -n "$h_worker" ]; then
        # Twice in a row: between leaving and staying on, the pid file is away for a moment.
        h_gone=$h_gone.
        [ "$h_gone" = . ] || break
    fi
    sleep 0.1 || { sleep 1 && h_tenths=$((h_tenths + 9)); }
    h_tenths=$((h_tenths + 1))
done
rm -f "$h_request"
return 0
