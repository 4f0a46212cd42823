"""Convolutions to test: any geometry, any hash of kernel and bias; and PyTorch's results."""

from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import strategies as st

from minihash.hashes import Identity, Uniform
from minihash.layers import Conv1d, Conv2d
from minihash.weights import VirtualWeight
from reference import torch_twins
from tests.support.hash_strategies import ANYWHERE, KINDS, seeds
from tests.support.strategies import frozen, frozen_dict

KERNELS = sorted({*ANYWHERE, "identity", "lookup-signed"})


@dataclass
class Case:
    """A layer, its parameters, and x and dy for it; everything read-only."""

    layer: Conv2d
    params: dict
    x: np.ndarray
    dy: np.ndarray

    def ours(self):
        """y, dx and the gradients by name."""
        y, cache = self.layer.forward(self.params, self.x)
        dx, grads = self.layer.backward(self.params, cache, self.dy)
        return {"y": y, "dx": dx} | grads

    def dense(self):
        """The same of the layer's matrix under its full hash."""
        dense = self.layer.as_dense(*self.x.shape[2:])
        batch = len(self.x)
        y, cache = dense.forward(self.params, self.x.reshape(batch, -1))
        dx, grads = dense.backward(self.params, cache, self.dy.reshape(batch, -1))
        return {"y": y.reshape(self.dy.shape), "dx": dx.reshape(self.x.shape)} | grads

    def torch(self, magnitudes=False):
        """The same by PyTorch in float64, with table[index] * sign as kernel and bias.

        magnitudes: of the absolute values of everything, the sums of |a b| in all results.
        """
        leaves = {k: self._leaf(v, magnitudes) for k, v in self.params.items()}
        x = self._leaf(self.x, magnitudes)
        K, *B = (self._read(leaves, w, magnitudes) for w in self.layer.weights())
        layer = self.layer
        geometry = layer.stride, layer.padding, layer.dilation, layer.groups
        y = torch_twins.convolution(x, K, *(B or [None]), *geometry)
        dy = self.dy.astype(np.float64)
        y.backward(torch.from_numpy(abs(dy) if magnitudes else dy))
        results = {"y": y.detach(), "dx": x.grad} | {k: v.grad for k, v in leaves.items()}
        return {name: result.numpy() for name, result in results.items()}

    @staticmethod
    def _leaf(array, magnitudes):
        array = array.astype(np.float64)
        return torch.from_numpy(abs(array) if magnitudes else array).requires_grad_()

    @staticmethod
    def _read(leaves, w, magnitudes):
        ids = w.identifiers()
        index, sign = torch.from_numpy(w.hash.bucket(ids)), w.hash.sign(ids).astype(np.float64)
        return leaves[w.table][index] * torch.from_numpy(abs(sign) if magnitudes else sign)


@st.composite
def cases(draw, whole=True, dtypes=(np.float32, np.float64), kinds=KERNELS, most_images=4):
    """A case with integer-valued numbers, or with normal ones."""
    axes = draw(st.sampled_from([1, 2]))
    groups, dtype = draw(st.sampled_from([1, 1, 2, 3])), draw(st.sampled_from(dtypes))

    def numbers(low, high):
        return tuple(draw(st.lists(st.integers(low, high), min_size=axes, max_size=axes)))

    taps, stride, padding, dilation = numbers(1, 4), numbers(1, 3), numbers(0, 3), numbers(1, 3)
    spans = ((k - 1) * d + 1 for k, d in zip(taps, dilation, strict=True))
    least = [max(1, span - 2 * p) for span, p in zip(spans, padding, strict=True)]
    sizes = tuple(n + more for n, more in zip(least, numbers(0, 7), strict=True))
    depth, width, batch = (draw(st.integers(*r)) for r in ((1, 3), (1, 3), (1, most_images)))
    shape, n, seed = (groups * width, depth, *taps), draw(st.integers(1, 9)), draw(seeds)
    kind = draw(st.sampled_from(kinds))
    first_id = draw(st.sampled_from([0, 5, 2**33])) if kind in ANYWHERE else 0
    weight = VirtualWeight(shape, KINDS[kind](shape, n, seed), "kernel", first_id)
    bias = {
        "none": None,
        "free": VirtualWeight(shape[:1], Identity(shape[0]), "bias"),
        "hashed": VirtualWeight(shape[:1], Uniform(2, seed, signed=True), "bias", 3),
        "shared": VirtualWeight(shape[:1], Uniform(weight.hash.buckets, seed), "kernel", 1),
    }[draw(st.sampled_from(["none", "free", "hashed", "shared"]))]
    cls = Conv1d if axes == 1 else Conv2d
    layer = cls(weight, bias, stride, padding, dilation, groups)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def array(*shape):
        values = rng.integers(-4, 5, shape) if whole else rng.standard_normal(shape)
        return frozen(values.astype(dtype))

    params = frozen_dict({w.table: array(w.hash.buckets) for w in layer.weights()})
    outputs = layer.windows.outputs(sizes)
    x, dy = array(batch, groups * depth, *sizes), array(batch, shape[0], *outputs)
    return Case(layer, params, x, dy)


def equal(found, expected):
    """Equal numbers under the same names (-0.0 is 0.0)."""
    assert sorted(found) == sorted(expected)
    for name, result in found.items():
        np.testing.assert_array_equal(result, expected[name], name)


def bits(results):
    return {name: (result + 0.0).tobytes() for name, result in results.items()}
