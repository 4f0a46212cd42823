"""The gather / scatter-add core: forward + backward of one hashed layer, beside what it replaces.

    python -m benchmarks.core [--json FILE] [--rounds N] [--only TEXT]

Layer 2000 x 2000, batch 128, float32, unless a row says otherwise; forward and backward give y, dx
and the gradient. Beside it, in the same run and on the same threads:

    dense      NumPy/BLAS, y = x V^T, dx = dy V, dV = dy^T x, of the same virtual size
    PyTorch    F.linear(x, table[index]) and autograd, int64 index made beforehand, no signs

Each result is verified against float64 before anything is timed.
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.measure import Table, alternate, own_peak, printed, ratio
from minihash import core
from minihash.hashes import Dirichlet, Hash, Modulus, Neighborhood, Uniform
from minihash.weights import VirtualWeight

N, BATCH = 2000, 128

# what, hash, largest ratio to dense, to PyTorch
CASES = [
    ("uniform, signed, table 10 %", Uniform(N * N // 10, signed=True), 1.5, 0.35),
    ("uniform, signed, table 1 %", Uniform(N * N // 100, signed=True), 1.4, None),
    ("uniform, signed, table 100 %", Uniform(N * N, signed=True), 3.0, None),
    ("neighborhood, radius 100, table 10 %", Neighborhood(N * N // 10, 100), 1.5, None),
    ("dirichlet, alpha 1, table 10 %", Dirichlet(N * N // 10, 1.0), 2.5, None),
    ("modulus, n = 400,001", Modulus(400_001), 1.1, None),
    ("modulus, n = 2,003", Modulus(2_003), 1.1, None),
    ("modulus, n = 200 fan_in", Modulus(200 * N), 0.2, None),
    ("modulus, n = 500", Modulus(500), 0.4, None),
]


class Layer:
    """One hashed layer with its data, and the three ways to compute it."""

    def __init__(self, hash_: Hash, batch: int = BATCH, size: int = N) -> None:
        rng = np.random.default_rng(0)
        self.w = VirtualWeight((size, size), hash_)
        self.table = rng.standard_normal(hash_.buckets).astype(np.float32)
        self.x = rng.standard_normal((batch, size)).astype(np.float32)
        self.dy = rng.standard_normal((batch, size)).astype(np.float32)

    def ours(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        y = core.matmul(self.x, self.table, self.w)
        return y, *core.matmul_backward(self.dy, self.x, self.table, self.w)

    def dense(self) -> Callable[[], object]:
        V = core.gather(self.table, self.w)
        return lambda: (self.x @ V.T, self.dy @ V, self.dy.T @ self.x)

    def pytorch(self) -> Callable[[], object]:
        import torch

        torch.set_num_threads(core.get_threads())
        ids = np.arange(self.w.size, dtype=np.uint64)
        index = torch.from_numpy(self.w.hash.bucket(ids).astype(np.int64).reshape(self.w.shape))
        table = torch.from_numpy(self.table.copy()).requires_grad_()
        x = torch.from_numpy(self.x.copy()).requires_grad_()
        dy = torch.from_numpy(self.dy)

        def step() -> None:
            table.grad = x.grad = None
            torch.nn.functional.linear(x, table[index]).backward(dy)

        return step

    def verify(self) -> None:
        """Within gamma_n * sum |a||b| of float64: n terms, each rounded a few times."""
        ids = np.arange(self.w.size, dtype=np.uint64)
        bucket, sign = self.w.hash.bucket(ids), self.w.hash.sign(ids)
        V = (sign * self.table.astype(np.float64)[bucket]).reshape(self.w.shape)
        x, dy = self.x.astype(np.float64), self.dy.astype(np.float64)
        n, buckets = V.shape[0], self.w.hash.buckets
        load = int(np.bincount(bucket, minlength=buckets).max())

        def total(dV: np.ndarray) -> np.ndarray:
            return np.bincount(bucket, weights=dV.reshape(-1), minlength=buckets)

        def check(what: str, got: np.ndarray, want: np.ndarray, size: np.ndarray, k: int) -> None:
            if not (np.abs(got - want) <= 2 * k * 2.0**-24 * size).all():
                raise SystemExit(f"{what} is wrong for {self.w.hash}: not timed")

        y, dx, dtable = self.ours()
        check("y", y, x @ V.T, np.abs(x) @ np.abs(V.T), n)
        check("dx", dx, dy @ V, np.abs(dy) @ np.abs(V), n)
        dV = sign.reshape(V.shape) * (dy.T @ x)
        check("dtable", dtable, total(dV), total(np.abs(dy.T) @ np.abs(x)), len(x) + load)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="write the table there")
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds (default 15)")
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.peak:
        return peak(options.peak)

    table = Table("benchmarks.core")
    for what, hash_, most, most_torch in CASES:
        if options.only not in what:
            continue
        layer = Layer(hash_)
        layer.verify()
        sides = {"ours": layer.ours, "dense": layer.dense()}
        if most_torch:
            sides["pytorch"] = layer.pytorch()
        times = alternate(sides, options.rounds)
        middle, *spread = ratio(times["ours"], times["dense"])
        note = f"{1e3 * np.median(times['ours']):.1f} ms"
        table.add(f"{what} / dense", middle, most, tuple(spread), note=note)
        if most_torch:
            middle, *spread = ratio(times["ours"], times["pytorch"])
            note = f"PyTorch {1e3 * np.median(times['pytorch']):.1f} ms"
            table.add(f"{what} / PyTorch", middle, most_torch, tuple(spread), note=note)
    if not options.only:
        base = {name: printed("benchmarks.core", "--peak", name)[0] for name in PEAKS}
        for side in ("ours", "dense", "pytorch"):
            above = base[side] - base["import torch" if side == "pytorch" else "import"]
            table.add(f"peak memory of {side}, above imports and data", above / 1e6, unit="MB")
    return table.finish(options.json)


PEAKS = ("import", "ours", "dense", "import torch", "pytorch")


def peak(side: str) -> int:
    """Print the peak memory of a process that does one side of the first case three times."""
    layer = Layer(CASES[0][1])
    if side == "import torch":
        import torch  # noqa: F401
    elif side != "import":
        # Compilation has a peak of its own, which a small layer pays in both kinds of process.
        call = layer.ours if side == "ours" else getattr(layer, side)()
        for _ in range(3):
            call()
    if side in ("import", "ours"):
        Layer(Uniform(50, signed=True), 2, 5).ours()
    print(own_peak())
    return 0


if __name__ == "__main__":
    sys.exit(main())
