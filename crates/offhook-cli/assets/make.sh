#!/bin/sh
# Makes the two speech clips of the demo again: ./make.sh (needs espeak-ng and sox).
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# name, espeak-ng voice, words a minute, sentence
clip() {
    espeak-ng -v "$2" -s "$3" -w "$tmp/raw.wav" "$4"
    # 8 kHz keeps both clips below 300 kB; the band filter removes what a telephone
    # would not carry, and silence trims what espeak-ng puts before and after.
    sox -D "$tmp/raw.wav" -r 8000 -c 1 -b 24 "$tmp/trim.wav" \
        gain -12 highpass 80 silence 1 0.01 0.1% reverse silence 1 0.01 0.1% reverse
    rms=$(sox "$tmp/trim.wav" -n stats 2>&1 | awk '/^RMS lev dB/ { print $4 }')
    gain=$(awk -v rms="$rms" 'BEGIN { print -21 - rms }')
    sox -D "$tmp/trim.wav" -b 16 "$1" gain "$gain" pad 0.05 0.05
}

clip speech-1000.wav en-gb 172 \
    "Good morning, this is one thousand speaking. I am calling to ask whether every word I say arrives as I said it, clear and complete, with nothing missing in between."
clip speech-1001.wav en-us+f3 174 \
    "Hello, you have reached one thousand and one. Your voice sounds close, as if you were in the next room. Shall I put the kettle on while we compare our notes?"
