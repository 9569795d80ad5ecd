#!/bin/sh
# Say loudly that Python $1 is missing; in CI that is a failure.
{
    echo "############################################################"
    echo "#  Python $1 was not found: NOTHING WAS TESTED ON IT."
    echo "#  Install it (uv python install $1, pyenv install $1, ...)"
    echo "############################################################"
} >&2
[ -z "${CI:-}" ]
