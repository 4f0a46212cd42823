"""Dense against PyTorch's table[index] and the loops, with every kind of bias.

n sums of products in any order are within gamma_n sum |a b| of the exact value. The magnitudes
sum |a b| are the same formulae on absolute values: y of |x| and |table|, gradients of |dy|.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minihash.core import gather, use
from minihash.hashes import Dirichlet, Identity, Lookup, Modulus, Uniform
from minihash.layers import Dense
from minihash.weights import VirtualWeight
from reference import layers as loops
from tests.support.bounds import assert_within, autograd, eps, gamma
from tests.support.strategies import dtypes, frozen_dict, real, sizes, whole


@pytest.fixture(autouse=True, scope="module")
def numpy_backend():
    """Dense hands its products to the core, whose backends have their own tests: no compilation."""
    with use("numpy"):
        yield


@st.composite
def dense_layers(draw):
    """A Dense layer: any hash, and no bias, a free one, or a hashed one, on either table."""
    fan_in, fan_out, buckets = draw(sizes), draw(sizes), draw(st.integers(1, 7))
    size = fan_in * fan_out
    seed = draw(st.integers(0, 2**32 - 1))
    signs = draw(st.lists(st.integers(-1, 1), min_size=2 * size, max_size=2 * size))
    assignment = draw(st.lists(st.integers(0, buckets - 1), min_size=2 * size, max_size=2 * size))
    hash_ = draw(
        st.sampled_from(
            [
                Modulus(buckets),
                Uniform(buckets, seed, signed=True),
                Dirichlet(buckets, 0.5, seed),
                Identity(2 * size),
                Lookup(buckets, np.array(assignment), np.array(signs)),
            ]
        )
    )
    bias = {
        "none": None,
        "free": VirtualWeight((fan_out,), Identity(fan_out), "bias"),
        "hashed": VirtualWeight((fan_out,), Uniform(2, seed, signed=True), "bias"),
        "shared": VirtualWeight((fan_out,), hash_, "table", first_id=size),
    }[draw(st.sampled_from(["none", "free", "hashed", "shared"]))]
    return Dense(VirtualWeight((fan_out, fan_in), hash_, "table"), bias)


@st.composite
def cases(draw, arrays):
    """(layer, params, x, dy, step), numbers drawn from `arrays`."""
    layer, dtype, batch = draw(dense_layers()), draw(dtypes), draw(sizes)
    fan_out, fan_in = layer.weight.shape
    tables = {w.table: w.hash.buckets for w in layer.weights()}
    params = frozen_dict({name: draw(arrays((n,), dtype)) for name, n in tables.items()})
    x, dy = draw(arrays((batch, fan_in), dtype)), draw(arrays((batch, fan_out), dtype))
    return layer, params, x, dy, draw(st.sampled_from([None, 3]))


def indexed(w):
    """What PyTorch indexes with: the bucket and the sign of every entry of w."""
    ids = np.arange(w.first_id, w.first_id + w.size, dtype=np.uint64).reshape(w.shape)
    return w.hash.bucket(ids), w.hash.sign(ids).astype(np.float64)


def by_torch(layer, params, x, dy, magnitudes=False):
    """y, dx and the gradient of each table, by autograd; `magnitudes`: of the absolute values."""
    take = np.abs if magnitudes else np.asarray
    parts = [indexed(w) for w in layer.weights()]
    signs = [torch.tensor(take(sign)) for _, sign in parts]

    def forward(x, *tables):
        table = dict(zip(params, tables, strict=True))
        V, *b = [
            sign * table[w.table][torch.tensor(bucket)]
            for w, (bucket, _), sign in zip(layer.weights(), parts, signs, strict=True)
        ]
        return x @ V.T + b[0] if b else x @ V.T

    y, (dx, *tables) = autograd(forward, take(dy), take(x), *map(take, params.values()))
    return y, dx, dict(zip(params, tables, strict=True))


@given(cases(real))
def test_it_is_pytorchs_indexing_with_autograd(case):
    layer, params, x, dy, step = case
    y, cache = layer.forward(params, x, step)
    dx, grads = layer.backward(params, cache, dy)
    assert y.dtype == dx.dtype == x.dtype and set(grads) == set(params)
    expected_y, expected_dx, expected_grads = by_torch(layer, params, x, dy)
    size_y, size_dx, size_grads = by_torch(layer, params, x, dy, magnitudes=True)
    fan_out, fan_in = layer.weight.shape

    def bound(terms, size):
        underflow = terms * np.finfo(x.dtype).tiny
        return (gamma(terms, eps(x.dtype)) + gamma(terms, eps(np.float64))) * size + underflow

    assert_within(y, expected_y, bound(fan_in + 1, size_y))
    assert_within(dx, expected_dx, bound(fan_out, size_dx))
    terms = len(x) * (layer.weight.size + fan_out) + 1
    for name in params:
        assert grads[name].dtype == x.dtype
        assert_within(grads[name], expected_grads[name], bound(terms, size_grads[name]))


@given(cases(whole))
def test_on_whole_numbers_it_is_the_loops_bit_for_bit(case):
    layer, params, x, dy, step = case
    y, cache = layer.forward(params, x, step)
    dx, grads = layer.backward(params, cache, dy)
    V, *b = [gather(params[w.table], w).astype(np.float64) for w in layer.weights()]
    assert (y == loops.dense_forward(x, V, *b)).all()
    expected_dx, dV, db = loops.dense_backward(dy, x, V)
    assert (dx == expected_dx).all()
    expected = {name: np.zeros(len(table)) for name, table in params.items()}
    for w, dw in zip(layer.weights(), (dV, db), strict=False):
        bucket, sign = indexed(w)
        np.add.at(expected[w.table], bucket, sign * dw)
    assert all((grads[name] == expected[name]).all() for name in params)


@given(cases(whole), st.data())
def test_backward_is_the_adjoint_of_forward(case, data):
    layer, params, x, dy, step = case
    _, cache = layer.forward(params, x, step)
    dx, grads = layer.backward(params, cache, dy)
    zero, origin = np.zeros_like(x), {name: np.zeros_like(p) for name, p in params.items()}
    by_x = Dense(layer.weight)  # linear in x; the whole layer is affine in its tables
    assert (dy * by_x.forward(params, x)[0]).sum() == (dx * x).sum()
    along = {name: data.draw(whole(p.shape, p.dtype)) for name, p in params.items()}
    change = layer.forward(along, x)[0] - layer.forward(origin, x)[0]
    assert (dy * change).sum() == sum((grads[name] * along[name]).sum() for name in params)
    assert not layer.forward(origin, zero)[0].any()


@pytest.mark.parametrize(
    ("weight", "bias", "message"),
    [
        (
            VirtualWeight((4,), Modulus(3)),
            None,
            r"the weight of Dense must have shape .*\(4,\); .*",
        ),
        (
            VirtualWeight((4, 2), Modulus(3)),
            VirtualWeight((2,), Modulus(3)),
            r"the bias of Dense must have shape \(4,\), got \(2,\); .*",
        ),
        (
            np.ones((4, 2)),
            None,
            "the weight of Dense must be a VirtualWeight or a source, got [^$]*",
        ),
        (None, None, "the weight of Dense must be a VirtualWeight or a source, got None; .*"),
        (VirtualWeight((4, 2), Modulus(3)), True, "the bias of Dense must be a VirtualWeight.*"),
    ],
)
def test_what_is_no_weight_or_bias_is_refused(weight, bias, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        Dense(weight, bias)
