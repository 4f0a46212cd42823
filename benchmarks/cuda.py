"""The GPU backend on a real GPU: its kernels beside the memory's bandwidth and beside PyTorch.

    python -m benchmarks.cuda [--json FILE] [--rounds N] [--size N]

Layer size x size, batch 128, float32, signed uniform hash, table 10 %. All data is on the device.

    floor      the time to write V once (gather) or to read dV once (scatter-add), at the bandwidth
               that a copy within the device reaches in the same run
    PyTorch    F.linear(x, table[index]) on cuBLAS without TF32, and autograd; int64 index made
               beforehand, no signs

Results are verified on integers, bit for bit against the CPU, before anything is timed. A time is
that of CALLS calls in a row and one wait at their end. Without a GPU nothing is measured.
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.measure import Table, alternate, ratio
from minihash import core
from minihash.core import cuda as gpu
from minihash.hashes import Uniform
from minihash.weights import VirtualWeight

BATCH, CALLS = 128, 20
COPIED = 2**28  # floats: far more than the cache of a GPU


class Layer:
    """One hashed layer whose arrays are on the device, integers all."""

    def __init__(self, size: int) -> None:
        from numba import cuda

        self.w = VirtualWeight((size, size), Uniform(size * size // 10, signed=True))
        rng = np.random.default_rng(0)
        shapes = (self.w.hash.buckets,), (BATCH, size), (BATCH, size), self.w.shape
        self.host = [rng.integers(-3, 4, shape).astype(np.float32) for shape in shapes]
        self.table, self.x, self.dy, self.dV = map(cuda.to_device, self.host)

    def verify(self) -> None:
        table, x, dy, dV = self.host
        with core.use("numba"):
            V, dtable = core.gather(table, self.w), core.scatter_add(dV, self.w)
            y = core.matmul(x, table, self.w)
            expected = V, dtable, dtable, y, *core.matmul_backward(dy, x, table, self.w)
        ours = (
            gpu.gather(self.table, self.w),
            gpu.scatter_add(self.dV, self.w),
            gpu.scatter_add(self.dV, self.w, deterministic=False),
            gpu.matmul(self.x, self.table, self.w),
            *gpu.matmul_backward(self.dy, self.x, self.table, self.w),
        )
        for got, right in zip(ours, expected, strict=True):
            np.testing.assert_array_equal(got.copy_to_host(), right)

    def sides(self) -> dict[str, Callable[[], object]]:
        from numba import cuda

        w, size = self.w, self.w.shape[0]
        source, target = (cuda.device_array(COPIED, np.float32) for _ in range(2))

        def step() -> None:
            gpu.matmul(self.x, self.table, w)
            gpu.matmul_backward(self.dy, self.x, self.table, w)

        return {
            "copy": lambda: target.copy_to_device(source),
            "gather": lambda: gpu.gather(self.table, w),
            "atomic": lambda: gpu.scatter_add(self.dV, w, deterministic=False),
            "deterministic": lambda: gpu.scatter_add(self.dV, w),
            "forward": lambda: gpu.matmul(self.x, self.table, w),
            "step": step,
            **self.pytorch(size),
        }

    def pytorch(self, size: int) -> dict[str, Callable[[], object]]:
        try:
            import torch
        except ImportError:
            return {}
        if not torch.cuda.is_available():
            return {}
        torch.backends.cuda.matmul.allow_tf32 = False
        bucket = self.w.hash.bucket(np.arange(self.w.size, dtype=np.uint64))
        index = torch.from_numpy(bucket.astype(np.int64).reshape(size, size)).cuda()
        table, x, dy = (torch.from_numpy(array).cuda() for array in self.host[:3])
        for leaf in (table, x):
            leaf.requires_grad_()

        def forward() -> object:
            return torch.nn.functional.linear(x, table[index])

        def step() -> None:
            table.grad = x.grad = None
            forward().backward(dy)

        return {"PyTorch forward": forward, "PyTorch step": step}


def repeated(call: Callable[[], object]) -> Callable[[], None]:
    from numba import cuda

    def run() -> None:
        for _ in range(CALLS):
            call()
        cuda.synchronize()

    return run


def simulated() -> str:
    from numba import config

    return "no GPU but the simulator, which keeps no time" if config.ENABLE_CUDASIM else ""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", help="write the figures to this file")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--size", type=int, default=2000, help="fan_in and fan_out")
    options = parser.parse_args(arguments)
    if why := gpu.available() or simulated():
        print(f"not measured: {why}")
        return 0
    layer = Layer(options.size)
    layer.verify()
    print(f"verified; {options.size} x {options.size}, batch {BATCH}")
    sides = layer.sides()
    times = alternate({name: repeated(call) for name, call in sides.items()}, options.rounds)
    floor = [t * layer.dV.size / (2 * COPIED) for t in times["copy"]]  # a copy reads and writes
    table = Table("cuda")
    for name in ("gather", "atomic"):
        value, low, high = ratio(times[name], floor)
        note = f"{100 / value:.0f} % of the floor's speed"
        table.add(f"{name}, beside the floor", value, 1 / 0.7, (low, high), note=note)
    pairs = [("deterministic", "atomic", 3.0)]
    pairs += [(name, f"PyTorch {name}", 1.0) for name in ("forward", "step")]
    for ours, theirs, target in pairs:
        if theirs not in times:
            print(f"{ours}, beside {theirs}: not measured, PyTorch with CUDA is not installed")
            continue
        value, *spread = ratio(times[ours], times[theirs])
        table.add(f"{ours}, beside {theirs}", value, target, tuple(spread))
    return table.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
