"""Convolutions with stride 1 for the direct way, as arrays, and every way to compute them."""

from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np
import torch
from hypothesis import strategies as st

from minihash.core.numba import convolution, direct
from minihash.hashes.windows import Windows
from reference import torch_twins
from tests.support.strategies import frozen


@dataclass
class Case:
    """x, K, B (or None) and dy of a convolution; read-only."""

    x: np.ndarray
    K: np.ndarray
    B: np.ndarray | None
    dy: np.ndarray
    windows: Windows
    groups: int

    def by(self, way):
        """y, dx, dK and dB by a module with `convolve` and `convolve_backward`."""
        geometry = self.windows, self.groups
        y = way.convolve(self.x, self.K, self.B, *geometry)
        backward = way.convolve_backward(self.dy, self.x, self.K, self.B is not None, *geometry)
        found = dict(zip(("y", "dx", "dK", "dB"), (y, *backward), strict=True))
        assert (found["dB"] is None) == (self.B is None)
        return {name: result for name, result in found.items() if result is not None}

    def by_patches(self):
        with patch.object(direct, "suits", lambda *_, **__: False):
            return self.by(convolution)

    def by_torch(self, of=np.asarray):
        """In float64, with the function `of` of each input."""
        B = np.zeros(len(self.K)) if self.B is None else self.B
        inputs = [of(a.astype(np.float64)) for a in (self.x, self.K, B)]
        leaves = [torch.from_numpy(a.copy()).requires_grad_() for a in inputs]
        geometry = (1, 1), self.windows.padding, self.windows.dilation, self.groups
        y = torch_twins.convolution(*leaves, *geometry)
        y.backward(torch.from_numpy(of(self.dy.astype(np.float64)).copy()))
        found = dict(zip(("dx", "dK", "dB"), (leaf.grad.numpy() for leaf in leaves), strict=True))
        if self.B is None:
            del found["dB"]
        return {"y": y.detach().numpy()} | found


def make(batch, channels, maps, size, taps, padding, dilation, groups, biased, dtype, draw):
    """A case with arrays from draw(shape); channels and maps: of each group."""
    windows = Windows(taps, 1, padding, dilation)
    outputs = windows.outputs(size)
    shapes = (
        (batch, groups * channels, *size),
        (groups * maps, channels, *taps),
        (groups * maps,),
        (batch, groups * maps, *outputs),
    )
    x, K, B, dy = (frozen(np.asarray(draw(shape)).astype(dtype)) for shape in shapes)
    return Case(x, K, B if biased else None, dy, windows, groups)


def numbers(rng, shape, whole):
    return rng.integers(-4, 5, shape) if whole else rng.standard_normal(shape)


@st.composite
def cases(draw, whole=True):
    """Any geometry: with narrow and with wide rows, tiles that end anywhere, margins left out. Maps
    and channels: as many as tiles have rows."""

    def pair(low, high):
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    taps, dilation, padding = pair(1, 4), pair(1, 3), pair(0, 5)
    span = [(k - 1) * d + 1 for k, d in zip(taps, dilation, strict=True)]
    least = [max(1, s - 2 * p) for s, p in zip(span, padding, strict=True)]
    more = draw(st.integers(0, 6)), draw(st.sampled_from([0, 1, 7, 15, 16, 17, 31, 32, 33, 50]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return make(
        batch=draw(st.integers(0, 4)),
        channels=draw(st.sampled_from([4, 5, 7, 8, 9, 16, 17])),
        maps=draw(st.sampled_from([4, 5, 7, 8, 9])),
        size=tuple(n + m for n, m in zip(least, more, strict=True)),
        taps=taps,
        padding=padding,
        dilation=dilation,
        groups=draw(st.integers(1, 3)),
        biased=draw(st.booleans()),
        dtype=draw(st.sampled_from([np.float32, np.float64])),
        draw=lambda shape: numbers(rng, shape, whole),
    )


@contextmanager
def cut(entries, lanes):
    """Parts of about so many entries; so many of a gradient of K."""
    with patch.object(direct, "ENTRIES", entries), patch.object(direct, "LANES", lanes):
        yield


def some(dtype, whole=False):
    """One case of each kind, with real or whole numbers: rows in one vector and a half, in two, in
    one and a piece, with odd heights; a margin left out; groups; no images; one position; strips of
    channels that are full, and not."""
    rng = np.random.default_rng(7)
    for batch, channels, maps, size, taps, padding, dilation, groups in [
        (3, 4, 9, (7, 24), (3, 3), (1, 1), (1, 1), 1),
        (2, 5, 4, (5, 32), (3, 3), (1, 1), (1, 1), 2),
        (2, 17, 8, (9, 17), (2, 4), (0, 2), (3, 1), 1),
        (9, 4, 5, (5, 13), (1, 1), (2, 2), (1, 1), 3),
        (0, 4, 4, (5, 16), (3, 3), (1, 1), (1, 1), 1),
        (1, 4, 4, (1, 1), (1, 1), (0, 0), (1, 1), 1),
        (2, 16, 4, (3, 8), (3, 3), (1, 1), (1, 1), 1),
    ]:
        geometry = size, taps, padding, dilation, groups, True, dtype
        yield make(batch, channels, maps, *geometry, lambda shape: numbers(rng, shape, whole))
