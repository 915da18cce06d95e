#!/usr/bin/env python3
"""PESQ (narrowband, ITU-T P.862.1) of what `--example quality -- --wav FOLDER` wrote: mean over pieces of 8 s.

    python3 -m venv venv && venv/bin/pip install pesq==0.0.4
    venv/bin/python tools/score.py [--json] FOLDER
"""

import json
import sys
import wave
from pathlib import Path

import numpy
from pesq import NoUtterancesError, pesq

RATE = 8_000
PIECE = 8 * RATE


def samples(path):
    with wave.open(str(path)) as file:
        return numpy.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def delay(said, heard):
    """By how many samples the path delays, up to 1 s: the measure aligns less than that."""
    length = min(len(said), len(heard), 4 * PIECE)
    size = 2 * length
    spectrum = numpy.fft.rfft(heard[:length], size) * numpy.conj(numpy.fft.rfft(said[:length], size))
    return int(numpy.argmax(numpy.fft.irfft(spectrum, size)[:RATE]))


def score(said, heard):
    heard = heard[delay(said, heard) :]
    scores = []
    for start in range(0, min(len(said), len(heard)) - PIECE + 1, PIECE):
        try:
            scores.append(pesq(RATE, said[start : start + PIECE], heard[start : start + PIECE], "nb"))
        except NoUtterancesError:
            pass  # Nothing was said in this piece.
    return sum(scores) / len(scores)


def main():
    *options, folder = sys.argv[1:]
    scores = {}
    for said in sorted(Path(folder).glob("*.said.wav"), key=lambda path: path.stat().st_mtime):
        heard = said.with_name(said.name.replace(".said.", ".heard."))
        scores[said.name.removesuffix(".said.wav")] = score(samples(said), samples(heard))
    if "--json" in options:
        print(json.dumps(scores))
        return
    print("| trace | PESQ |\n| --- | ---: |")
    for name, value in scores.items():
        print(f"| {name} | {value:.2f} |")


if __name__ == "__main__":
    main()
