#!/bin/sh
# Makes greeting.wav anew. Needs espeak-ng and sox.
set -eu
cd "$(dirname "$0")"
speech=$(mktemp --suffix=.wav)
trap 'rm -f "$speech"' EXIT
espeak-ng -v en-gb -s 150 -w "$speech" \
    "The person you are calling is not available. Please leave a message after the tone."
sox "$speech" -r 8000 -c 1 -e mu-law -b 8 greeting.wav norm -6 silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse
