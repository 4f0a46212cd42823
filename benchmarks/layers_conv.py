"""The convolution of `benchmarks.layers`: 64 -> 64 channels, 3 x 3, images of 32 x 32, batch 32."""

from collections.abc import Callable

import numpy as np

from benchmarks.layers_pass import Results, there_and_back
from minihash import core
from minihash.hashes import Identity, Uniform
from minihash.layers import Conv2d
from minihash.weights import VirtualWeight


class Images:
    """Conv2d 64 -> 64, 3 x 3, 32 x 32, batch 32."""

    name = "Conv2d 64 -> 64, 3 x 3, 32 x 32, batch 32"
    batch, channels, taps, side = 32, 64, 3, 32

    def __init__(self, hashed: bool) -> None:
        rng = np.random.default_rng(0)
        shape = (self.channels, self.channels, self.taps, self.taps)
        size = int(np.prod(shape))
        self.hashed = hashed
        hash_ = Uniform(size // 16) if hashed else Identity(size)
        self.layer = Conv2d(VirtualWeight(shape, hash_, "K"), padding=self.taps // 2)
        self.table = rng.standard_normal(hash_.buckets) / 24  # 1 / sqrt(fan-in)
        images = (self.batch, self.channels, self.side, self.side)
        self.x, self.dy = rng.standard_normal(images), rng.standard_normal(images)

    def ours(self, dtype: type) -> Callable[[], Results]:
        return there_and_back(self.layer, {"K": self.table}, self.x, self.dy, dtype)

    def pytorch(self, dtype: type) -> Callable[[], Results]:
        import torch

        torch.set_num_threads(core.get_threads())
        w = self.layer.weight
        table = torch.tensor(self.table.astype(dtype), requires_grad=True)
        x = torch.tensor(self.x.astype(dtype), requires_grad=True)
        dy = torch.tensor(self.dy.astype(dtype))
        index = torch.from_numpy(w.hash.bucket(w.identifiers()).astype(np.int64))

        def step() -> Results:
            x.grad = table.grad = None
            K = table[index] if self.hashed else table.view(w.shape)
            y = torch.nn.functional.conv2d(x, K, padding=self.taps // 2)
            y.backward(dy)
            return {"y": y.detach(), "dx": x.grad, "K": table.grad}

        return step
