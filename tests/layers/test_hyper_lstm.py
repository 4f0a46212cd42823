"""HyperLSTM against the loops, finite differences of the loops, and PyTorch's autograd."""

import numpy as np
import pytest
import torch

from minihash import core
from minihash.hashes import Identity, Uniform
from minihash.layers import LSTM, Dense, Embedding, HyperLSTM
from minihash.networks.language_model import LanguageModel
from minihash.networks.sequential import Sequential
from minihash.networks.storage import counts
from minihash.sources import LowRank
from minihash.training import Training, start
from minihash.training.language import bits_per_character, steps
from minihash.training.optimisers import Adam
from minihash.weights import VirtualWeight
from reference.finite_differences import gradient
from reference.hyper_lstm import hyper_lstm

X, H, R, Z = 3, 4, 2, 3
FIELDS = ("weight_ih", "weight_hh", "bias", "small_ih", "small_hh", "small_bias", "small_b")


@pytest.fixture(autouse=True)
def numpy_backend():
    with core.use("numpy"):
        yield


def example(seed, layer=None):
    """A layer, its parameters, x (batch, length, features), a state, and cotangents of both."""
    layer, rng = layer or HyperLSTM.plain("n", X, H, R, Z), np.random.default_rng(seed)
    params = Sequential((layer,)).init(seed, np.float64)
    params = {name: p + 0.3 * rng.standard_normal(p.shape) for name, p in params.items()}
    x, dy = rng.standard_normal((2, 5, X)), rng.standard_normal((2, 5, H))
    state, dstate = (tuple(rng.standard_normal((2, n)) for n in (H, H, R, R)) for _ in range(2))
    return layer, params, x, state, dy, dstate


def read(layer, params):
    """The weights by the names of the loops."""
    found = {
        f: core.gather(params[w.table], w) for f, w in ((f, getattr(layer, f)) for f in FIELDS)
    }
    return found | {name.removeprefix("n."): params[name] for name in layer.arrays()}


def test_it_is_the_loops():
    layer, params, x, state, *_ = example(1)
    y, cache = layer.forward(params, x, state=state)
    for b in range(len(x)):
        expected, after = hyper_lstm(x[b], tuple(s[b] for s in state), read(layer, params))
        assert np.allclose(y[b], expected, rtol=1e-12, atol=1e-13)
        for found, wanted in zip(layer.state(cache), after, strict=True):
            assert np.allclose(found[b], wanted, rtol=1e-12, atol=1e-13)


def test_its_gradients_are_finite_differences_of_the_loops():
    layer, params, x, state, dy, dstate = example(2)
    x, dy = x[:1, :3], dy[:1, :3]
    state, dstate = (tuple(s[:1] for s in both) for both in (state, dstate))
    _, cache = layer.forward(params, x, state=state)
    dx, dinitial, grads = layer.backward_state(params, cache, dy, dstate)

    def loss(params, x, state):
        y, after = hyper_lstm(x, state, read(layer, params))
        found = sum((d[0] * s).sum() for d, s in zip(dstate, after, strict=True))
        return (dy[0] * y).sum() + found

    first = tuple(s[0] for s in state)

    def near(found, f, at):
        expected, bound = gradient(f, at, 1.0)
        assert (abs(found - expected) <= 2 * bound + 1e-10).all()

    assert grads.keys() == params.keys()
    for name in params:
        near(grads[name], lambda p, name=name: loss(params | {name: p}, x[0], first), params[name])
    near(dx[0], lambda x: loss(params, x, first), x[0])
    for k in range(4):
        near(
            dinitial[k][0],
            lambda s, k=k: loss(params, x[0], (*first[:k], s, *first[k + 1 :])),
            first[k],
        )


def by_torch(p, x, h, c, e, ce):
    """y of a batch, and the last state, in PyTorch."""
    ys = []

    def cell(gates, c):
        i, f, g, o = gates.chunk(4, dim=1)
        c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def scale(key, z):
        return torch.einsum("bgz,gnz->bgn", z.reshape(len(z), 4, -1), p[f"D_{key}"]).flatten(1)

    for t in range(x.shape[1]):
        joined = torch.cat((h, x[:, t]), 1)
        e, ce = cell(joined @ p["small_ih"].T + p["small_bias"] + e @ p["small_hh"].T, ce)
        y = scale("h", e @ p["A_h"].T + p["a_h"]) * (h @ p["weight_hh"].T)
        y = y + scale("x", e @ p["A_x"].T + p["a_x"]) * (x[:, t] @ p["weight_ih"].T)
        h, c = cell(y + scale("b", e @ p["small_b"].T) + p["bias"], c)
        ys.append(h)
    return torch.stack(ys, 1), (h, c, e, ce)


@pytest.mark.parametrize("dtype, bound", [(np.float64, 1e-12), (np.float32, 3e-5)])
def test_it_is_pytorchs(dtype, bound):
    layer, params, x, state, dy, dstate = example(3)
    leaves = {k: torch.tensor(v, requires_grad=True) for k, v in read(layer, params).items()}
    tx, *ts = (torch.tensor(a, requires_grad=True) for a in (x, *state))
    y, after = by_torch(leaves, tx, *ts)
    loss = (y * torch.tensor(dy)).sum()
    loss = loss + sum((s * torch.tensor(d)).sum() for s, d in zip(after, dstate, strict=True))
    loss.backward()
    params = {name: p.astype(dtype) for name, p in params.items()}
    x, dy = x.astype(dtype), dy.astype(dtype)
    state, dstate = (tuple(s.astype(dtype) for s in both) for both in (state, dstate))
    found, cache = layer.forward(params, x, state=state)
    dx, dinitial, grads = layer.backward_state(params, cache, dy, dstate)

    def near(mine, theirs):
        assert mine.dtype == dtype
        assert np.allclose(mine, theirs.detach().numpy(), rtol=bound, atol=bound)

    near(found, y)
    near(dx, tx.grad)
    both = (*layer.state(cache), *dinitial), (*after, *(s.grad for s in ts))
    for mine, theirs in zip(*both, strict=True):
        near(mine, theirs)
    for field, leaf in leaves.items():
        grad = grads[f"n.{field}"]
        near(grad.reshape(leaf.shape), leaf.grad)


def test_a_sequence_in_two_pieces_is_the_whole():
    layer, params, x, state, *_ = example(4)
    y, cache = layer.forward(params, x, state=state)
    first, kept = layer.forward(params, x[:, :2], state=state)
    rest, last = layer.forward(params, x[:, 2:], state=layer.state(kept))
    assert (np.concatenate((first, rest), axis=1) == y).all()
    assert all((a == b).all() for a, b in zip(layer.state(last), layer.state(cache), strict=True))


def test_all_rows_are_scaled_by_a_tenth_at_the_start():
    """So it starts as an LSTM whose matrices are a tenth, with a forget bias of 1."""
    layer = HyperLSTM.plain("n", X, H, R, Z)
    params = Sequential((layer,)).init(5, np.float64)
    plain = LSTM.plain("l", X, H)
    bias = np.zeros(4 * H)
    bias[H : 2 * H] = 1
    same = {"l.weight_ih": params["n.weight_ih"] / 10, "l.weight_hh": params["n.weight_hh"] / 10}
    same |= {"l.bias_ih": bias, "l.bias_hh": np.zeros(4 * H)}
    x = np.random.default_rng(0).standard_normal((2, 6, X))
    assert np.allclose(layer.forward(params, x)[0], plain.forward(same, x)[0], rtol=1e-12)


def test_its_numbers_are_counted():
    """4 R (R + H + X + 1) + 4 H (H + X + 1) + 4 (3 Z R + 2 Z) + 12 H Z."""
    layer = HyperLSTM.plain("n", 50, 1000, 128, 4)
    sizes = [w.size for w in layer.weights()]
    sizes += [int(np.prod(shape)) for shape, _ in layer.arrays().values()]
    small, large = 4 * 128 * (128 + 1050 + 1), 4 * 1000 * 1051
    assert sum(sizes) == small + large + 4 * (12 * 128 + 8) + 12 * 4000
    layer = HyperLSTM.plain("n", X, H, R, Z)
    arrays = 4 * (2 * Z * R + 2 * Z) + 12 * H * Z
    assert counts(Sequential((layer,)))["other_parameters"] == arrays + 4 * H + 4 * R


def test_its_matrices_may_be_hashed_or_generated_and_share_tables():
    shared = Uniform(11, 3, signed=True)
    layer = HyperLSTM(
        "n",
        VirtualWeight((4 * H, X), shared, "t"),
        VirtualWeight((4 * H, H), shared, "t", 100),
        LowRank.plain("low", (4 * R, H + X), 2),
        VirtualWeight((4 * R, R), shared, "t", 200),
        VirtualWeight((4 * Z, R), shared, "t", 400),
        VirtualWeight((4 * H,), Identity(4 * H), "b"),
        VirtualWeight((4 * R,), shared, "t", 300),
    )
    layer, params, x, state, dy, dstate = example(6, layer)
    _, cache = layer.forward(params, x, state=state)
    _, _, grads = layer.backward_state(params, cache, dy, dstate)
    assert grads.keys() == params.keys()
    rng, h = np.random.default_rng(7), 1e-5
    way = {name: rng.standard_normal(p.shape) for name, p in params.items()}

    def loss(step):
        y, cache = layer.forward({k: p + step * way[k] for k, p in params.items()}, x, state=state)
        pairs = zip(layer.state(cache), dstate, strict=True)
        return (y * dy).sum() + sum((s * d).sum() for s, d in pairs)

    expected = (loss(h) - loss(-h)) / (2 * h)
    assert np.isclose(sum((grads[k] * way[k]).sum() for k in grads), expected, rtol=1e-7)


def test_a_language_model_of_it_learns():
    hyper = HyperLSTM.plain("n", 2, 6, 3, 2)
    E = VirtualWeight((2, 2), Identity(4), "E")
    D, b = VirtualWeight((2, 6), Identity(12), "D"), VirtualWeight((2,), Identity(2), "b")
    model = LanguageModel(Embedding(E), (hyper,), Dense(D, b))
    tokens = np.tile([0, 0, 1], 60)
    training = Training(8, 3, 0.05, Adam())
    *_, (state, report) = steps(model, training, start(model.network, training), tokens, 10)
    assert report["loss"] < 0.2 and bits_per_character(model, state.params, tokens) < 0.2
    _, states, _ = model.forward(state.params, tokens[None, :7])
    arrays = model.to_arrays(states)
    assert list(arrays) == ["h", "c", "h^", "c^"]
    again = model.from_arrays(arrays)[0]
    assert all((a == b).all() for a, b in zip(again, states[0], strict=True))


def test_what_does_not_fit_is_refused():
    layer, params, x, state, dy, _ = example(8)
    fields = {f: getattr(layer, f) for f in FIELDS}
    wrong = VirtualWeight((4 * H + 1, X), Identity(51), "w")
    with pytest.raises(ValueError, match=r"weight_ih of a HyperLSTM .* must have shape \(16, 3\)"):
        HyperLSTM("n", **fields | {"weight_ih": wrong})
    with pytest.raises(ValueError, match="small_b must have shape"):
        HyperLSTM("n", **fields | {"small_b": wrong})
    with pytest.raises(TypeError, match="expected a VirtualWeight or a source"):
        HyperLSTM("n", **fields | {"small_hh": None})
    with pytest.raises(TypeError, match="the name of HyperLSTM must be a string"):
        HyperLSTM(3, **fields)
    with pytest.raises(ValueError, match="at least 1 step"):
        layer.forward(params, x[:, :0])
    with pytest.raises(TypeError, match=r"must be a tuple \(h, c, h\^, c\^\)"):
        layer.forward(params, x, state=state[:2])
    with pytest.raises(ValueError, match=r"must have shape \(2, 4\)"):
        layer.forward(params, x, state=(state[2], *state[1:]))
    _, cache = layer.forward(params, x)
    with pytest.raises(ValueError, match="dy of HyperLSTM must have shape"):
        layer.backward(params, cache, dy[:, :2])
