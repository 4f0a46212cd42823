"""The embedding of `benchmarks.layers`: a vocabulary of 50,000 of width 256, 32 x 64 tokens.

Tokens follow Zipf's law, as words do, so that many repeat. The gradient is dense on both sides, a
number for each entry of the table. A system gives zeroed memory out page by page, as it is touched,
and so neither an empty table nor its cost may stay behind: both sides read all of their gradient.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.layers_pass import Results
from minihash import core
from minihash.hashes import Identity, Uniform
from minihash.layers import Embedding
from minihash.weights import VirtualWeight


class Words:
    """Embedding 50,000 x 256, batch 32 x 64."""

    name = "Embedding 50,000 x 256, 32 x 64 tokens"
    vocabulary, width, tokens = 50_000, 256, (32, 64)

    def __init__(self, hashed: bool) -> None:
        rng = np.random.default_rng(0)
        size = self.vocabulary * self.width
        self.hashed = hashed
        hash_ = Uniform(size // 16) if hashed else Identity(size)
        self.layer = Embedding(VirtualWeight((self.vocabulary, self.width), hash_, "E"))
        self.table = rng.standard_normal(hash_.buckets)
        ranks = 1 / np.arange(1, self.vocabulary + 1)
        self.x = rng.choice(self.vocabulary, self.tokens, p=ranks / ranks.sum())
        self.dy = rng.standard_normal((*self.tokens, self.width))

    def ours(self, dtype: type) -> Callable[[], Results]:
        params, dy = {"E": self.table.astype(dtype)}, self.dy.astype(dtype)

        def step() -> Results:
            y, cache = self.layer.forward(params, self.x, step=0)
            _, grads = self.layer.backward(params, cache, dy)
            return {"y": y, "E": grads["E"], "read": grads["E"].max(keepdims=True)}

        return step

    def pytorch(self, dtype: type) -> Callable[[], Results]:
        import torch

        torch.set_num_threads(core.get_threads())
        w = self.layer.weight
        table = torch.tensor(self.table.astype(dtype), requires_grad=True)
        tokens, dy = torch.from_numpy(self.x), torch.tensor(self.dy.astype(dtype))
        index = None
        if self.hashed:
            index = torch.from_numpy(w.hash.bucket(w.identifiers()).astype(np.int64))

        def step() -> Results:
            table.grad = None
            if index is None:
                y = torch.nn.functional.embedding(tokens, table.view(w.shape))
            else:
                y = table[index[tokens]]
            y.backward(dy)
            return {"y": y.detach(), "E": table.grad, "read": table.grad.max().view(1)}

        return step
