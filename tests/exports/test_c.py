"""The C of a trained model: its memory, and what cannot end a comment."""

import subprocess
from dataclasses import replace

import numpy as np

import minihash
from minihash import core
from tests.support.exported import built, run

DIGITS = minihash.load("digits")


def test_the_program_is_as_small_as_the_tables(tmp_path):
    with core.use("numpy"):
        model = minihash.fit(DIGITS, epochs=1, compression=0.01)
    program = built(model, tmp_path, "-O2")
    text = subprocess.run(["size", program], capture_output=True, text=True, check=True).stdout
    code, data, bss = map(int, text.splitlines()[1].split()[:3])
    stored = sum(p.nbytes for p in model.params.values())
    assert code + data < stored + 12_000 and bss < 4 * 4 * 784
    assert code + data < 0.04 * 4 * 198_800


def test_names_cannot_end_the_comment_that_they_stand_in(tmp_path):
    names = ("*/ int main(void) { return 7; } /*", "two\nlines \\", *"23456789")
    with core.use("numpy"):
        model = minihash.fit(DIGITS, hidden=(3,), epochs=1)
    model = replace(model, dataset="*/ #error", class_names=names)
    assert len(run(built(model, tmp_path), np.zeros((2, 784)))[0]) == 2
