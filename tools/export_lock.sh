#!/bin/sh
# Write the requirements files, with hashes, from uv.lock: what pip installs from.
set -eu
cd "$(dirname -- "$0")/../python"
export_lock() {
    uv export --quiet --no-config --frozen --no-emit-project --format requirements-txt \
        --no-header --no-annotate "$@"
}
export_lock --no-dev >requirements.lock
export_lock --all-groups --all-extras >requirements-dev.lock
for extra in judge phoenix plot; do
    export_lock --no-dev --extra "$extra" >"requirements-$extra.lock"
done
