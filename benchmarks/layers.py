"""Layers, forward + backward, beside PyTorch on the same threads.

    python -m benchmarks.layers [--json FILE] [--rounds N] [--only TEXT]

Each layer with plain weights beside PyTorch's own, and with hashed ones (a table of 1/16) beside
PyTorch on `table[index]`, gathered in each pass. float32. Verified first: in float64 the outputs
and all gradients of both agree to 1e-9 of their size, and ours in float32 are as near as float32
allows over so many sums.

A side is timed in its second call of two, as in a loop of its own: PyTorch's threads spin for some
milliseconds after a call, on the cores that the other side's first call then has not.
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.layers_conv import Images
from benchmarks.layers_embedding import Words
from benchmarks.layers_pass import Results, there_and_back
from benchmarks.measure import Table, alternate, ratio
from minihash import core
from minihash.hashes import Uniform
from minihash.layers import LSTM

MOST = 1.0  # ratio to PyTorch


class Lstm:
    """LSTM 256 -> 256 over 64 steps, batch 32."""

    name = "LSTM 256 -> 256, length 64, batch 32"
    sizes = batch, length, features, hidden = 32, 64, 256, 256

    def __init__(self, hashed: bool) -> None:
        rng = np.random.default_rng(0)
        n = 4 * self.hidden * (self.features + self.hidden + 2)
        self.hashed = hashed
        self.layer = (
            LSTM.numbered(self.features, self.hidden, Uniform(n // 16))
            if hashed
            else LSTM.plain("lstm", self.features, self.hidden)
        )
        tables = {w.table: w.hash.buckets for w in self.layer.weights()}
        self.params = {name: rng.uniform(-1, 1, n) / 16 for name, n in tables.items()}
        self.x = rng.standard_normal((self.batch, self.length, self.features))
        self.dy = rng.standard_normal((self.batch, self.length, self.hidden))

    def ours(self, dtype: type) -> Callable[[], Results]:
        return there_and_back(self.layer, self.params, self.x, self.dy, dtype)

    def pytorch(self, dtype: type) -> Callable[[], Results]:
        import torch

        torch.set_num_threads(core.get_threads())
        tables = {
            k: torch.tensor(v.astype(dtype), requires_grad=True) for k, v in self.params.items()
        }
        x = torch.tensor(self.x.astype(dtype), requires_grad=True)
        dy = torch.tensor(self.dy.astype(dtype))
        zero = torch.zeros(1, self.batch, self.hidden, dtype=x.dtype)
        weights = self.layer.weights()
        index = [torch.from_numpy(w.hash.bucket(w.identifiers()).astype(np.int64)) for w in weights]

        def read() -> list:
            if self.hashed:
                return [tables[w.table][i] for w, i in zip(weights, index, strict=True)]
            return [tables[w.table].view(w.shape) for w in weights]

        def step() -> Results:
            for leaf in (x, *tables.values()):
                leaf.grad = None
            y, _, _ = torch.lstm(x, (zero, zero), read(), True, 1, 0.0, True, False, True)
            y.backward(dy)
            grads = {name: leaf.grad for name, leaf in tables.items()}
            return {"y": y.detach(), "dx": x.grad} | grads

        return step


LAYERS = [Images, Lstm, Words]


def verify(layer: Lstm) -> None:
    """Stop unless both sides agree."""
    exact = {name: result.numpy() for name, result in layer.pytorch(np.float64)().items()}
    for dtype, tolerance in ((np.float64, 1e-9), (np.float32, 1e-4)):
        found = layer.ours(dtype)()
        assert set(found) == set(exact)
        for name, result in found.items():
            size = abs(exact[name]).max()
            if not (abs(result - exact[name]) <= tolerance * size).all():
                raise SystemExit(f"{name} of {layer.name} is wrong in {dtype}: not timed")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="write the table there")
    parser.add_argument("--rounds", type=int, default=11, help="timed rounds (default 11)")
    parser.add_argument("--only", default="", help="layers whose name holds this text")
    options = parser.parse_args(arguments)

    table = Table("benchmarks.layers")
    for make in LAYERS:
        if options.only not in make.name:
            continue
        for hashed in (False, True):
            layer = make(hashed)
            verify(layer)
            sides = {"ours": layer.ours(np.float32), "pytorch": layer.pytorch(np.float32)}
            times = alternate(
                sides, options.rounds, prepare=lambda name, sides=sides: sides[name]()
            )
            middle, *spread = ratio(times["ours"], times["pytorch"])
            what = f"{make.name} / PyTorch{', table[index]' if hashed else ''}"
            note = f"{1e3 * np.median(times['ours']):.1f} ms"
            table.add(what, middle, MOST, tuple(spread), note=note)
    return table.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
