"""Recurrent layers to test with: any cell, any hash, with or without biases, tables shared or not;
their oracle, PyTorch on the virtual weights; and all that a layer computes, by name."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import strategies as st

from minihash.hashes import Dirichlet, Identity, Modulus, Uniform
from minihash.layers import GRU, LSTM, RNN
from minihash.weights import VirtualWeight
from reference.balls import Ball
from tests.support.strategies import cotangent, dtypes, frozen, frozen_dict, sizes

KINDS = {"tanh": RNN, "relu": RNN, "gru": GRU, "lstm": LSTM}
every_kind = pytest.mark.parametrize("kind", KINDS)
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def options_of(kind):
    return {"nonlinearity": "relu"} if kind == "relu" else {}


@st.composite
def layers(draw, kinds=tuple(KINDS)):
    """(kind, layer): four free weights, or one hash for all, or a hash of its own for each weight
    on two tables; each bias may be missing."""
    kind, features, hidden = draw(st.sampled_from(kinds)), draw(sizes), draw(sizes)
    cls, seed = KINDS[kind], draw(st.integers(0, 2**32 - 1))
    options = options_of(kind)
    form = draw(st.sampled_from(["plain", "numbered", "mixed"]))
    if form == "plain":
        return kind, cls.plain("r", features, hidden, bias=draw(st.booleans()), **options)
    buckets = draw(st.integers(1, 40))
    hashes = Modulus(buckets), Uniform(buckets, seed, signed=True), Dirichlet(buckets, 0.5, seed)
    if form == "numbered":
        first_id = draw(st.integers(0, 99))
        hash_ = draw(st.sampled_from(hashes))
        return kind, cls.numbered(features, hidden, hash_, first_id=first_id, **options)
    rows = cls.gates * hidden
    weights = {}
    for name, shape in zip(
        NAMES, ((rows, features), (rows, hidden), (rows,), (rows,)), strict=True
    ):
        free = VirtualWeight(shape, Identity(int(np.prod(shape))), name)
        hashed = [VirtualWeight(shape, h, f"table{k % 2}", k) for k, h in enumerate(hashes)]
        missing = [None] if name.startswith("bias") else []
        weights[name] = draw(st.sampled_from([free, *hashed, *missing]))
    return kind, cls(**weights, **options)


@dataclass(frozen=True)
class Case:
    """What goes into a layer. lengths, state and dstate may be None."""

    kind: str
    layer: object
    params: dict
    x: np.ndarray
    dy: np.ndarray
    state: list | None
    dstate: list | None
    lengths: np.ndarray | None


@st.composite
def cases(draw, arrays, kinds=tuple(KINDS), longest=5):
    """A case with numbers drawn from `arrays`; NaN in the padding."""
    kind, layer = draw(layers(kinds))
    dtype, batch, length = draw(dtypes), draw(sizes), draw(st.integers(1, longest))
    params = {w.table: draw(arrays((w.hash.buckets,), dtype)) for w in layer.weights()}
    x = draw(arrays((batch, length, layer.features), dtype)).copy()
    dy = draw(arrays((batch, length, layer.hidden), dtype)).copy()
    states = st.lists(
        arrays((batch, layer.hidden), dtype), min_size=layer.states, max_size=layer.states
    )
    lengths = draw(st.none() | st.lists(st.integers(1, length), min_size=batch, max_size=batch))
    for b, end in enumerate(lengths or []):
        x[b, end:] = dy[b, end:] = np.nan
    ends = None if lengths is None else np.array(lengths)
    state, dstate = draw(st.none() | states), draw(st.none() | states)
    return Case(kind, layer, frozen_dict(params), frozen(x), frozen(dy), state, dstate, ends)


def given_state(layer, arrays):
    """A state as the layer takes it."""
    return arrays if arrays is None else tuple(arrays) if layer.states > 1 else arrays[0]


def arrays_of(layer, state):
    """The arrays of a state that the layer gave."""
    return list(state) if layer.states > 1 else [state]


def by_layer(case, layer=None):
    """All that the layer computes: gradients of tables are d + table."""
    layer = layer or case.layer
    options = {} if case.lengths is None else {"lengths": case.lengths}
    start = given_state(case.layer, case.state)
    y, cache = layer.forward(case.params, case.x, state=start, **options)
    final = arrays_of(case.layer, layer.state(cache))
    dstate = given_state(case.layer, case.dstate)
    dx, dstart, grads = layer.backward_state(case.params, cache, case.dy, dstate)
    found = {"y": y, "dx": dx} | {f"d{name}": grad for name, grad in grads.items()}
    found |= {f"state{k}": s for k, s in enumerate(final)}
    return found | {f"dstate{k}": s for k, s in enumerate(arrays_of(case.layer, dstart))}


def index_of(w):
    """(bucket, sign) of each entry of the weight."""
    ids = w.identifiers()
    return w.hash.bucket(ids), w.hash.sign(ids).astype(np.float64)


def in_float64(case):
    """What an oracle needs: weights, x, state, dy, dstate, lengths, states never None."""
    weights = []
    rows = case.layer.gates * case.layer.hidden
    for name in NAMES:
        w = getattr(case.layer, name)
        if w is None:
            weights.append(np.zeros(rows))
        else:
            bucket, sign = index_of(w)
            weights.append(sign * case.params[w.table].astype(np.float64)[bucket])
    zeros = [np.zeros((len(case.x), case.layer.hidden))] * case.layer.states
    state, dstate = (
        zeros if arrays is None else [a.astype(np.float64) for a in arrays]
        for arrays in (case.state, case.dstate)
    )
    x, dy = case.x.astype(np.float64), case.dy.astype(np.float64)
    lengths = [x.shape[1]] * len(x) if case.lengths is None else case.lengths.tolist()
    return weights, x, state, dy, dstate, lengths


def tables_from_weights(case, found, signed=True):
    """An oracle's results (arrays, or balls) with gradients of weights turned into those of tables:
    scatter-added, and added up over the weights that read one table. signed: with the signs of the
    hash."""
    weights = [f"d{name}" for name in NAMES]
    new = {name: result for name, result in found.items() if name not in weights}
    for name in NAMES:
        if (w := getattr(case.layer, name)) is None:
            continue
        (bucket, sign), dw = index_of(w), found[f"d{name}"]
        sign = sign if signed else abs(sign)
        if isinstance(dw, Ball):
            dtable = dw.scatter_add(bucket, sign, w.hash.buckets)
        else:
            dtable = np.zeros(w.hash.buckets)
            np.add.at(dtable, bucket, sign * dw)
        key = f"d{w.table}"
        new[key] = new[key] + dtable if key in new else dtable
    return new


def example(kind, dtype=np.float64, batch=5, length=4, features=3, hidden=4, **options):
    """A case with random numbers, states and lengths, on plain weights."""
    layer = KINDS[kind].plain("r", features, hidden, **options_of(kind), **options)
    rng = np.random.default_rng(batch + length)
    params = {w.table: cotangent((w.size,), dtype, k) / 4 for k, w in enumerate(layer.weights())}
    states = [
        [cotangent((batch, hidden), dtype, 9 * k + j) for j in range(layer.states)] for k in (1, 2)
    ]
    x, dy = (cotangent((batch, length, n), dtype, n) for n in (features, hidden))
    lengths = rng.integers(1, length + 1, batch)
    return Case(kind, layer, frozen_dict(params), x, dy, *states, frozen(lengths))
