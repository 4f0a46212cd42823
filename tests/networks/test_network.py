"""Networks as a whole: exact on integers on every backend, gradients that add up, and refusals.

Buckets and signs of every twin come from the loops of reference/hashes.py. Networks of real numbers
are in test_network_reals.py.
"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash import core
from minihash.hashes import Modulus, Uniform
from minihash.layers import ELU, BatchNorm1d, Dense, ReLU
from minihash.networks.arbnet import arbnet
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight
from tests.support.hash_strategies import ANYWHERE, KINDS
from tests.support.strategies import dtypes, whole
from tests.support.twins import autograd, engine, plan_of

# Integer-valued networks: exact, so that no term, sign, layer or order can be wrong by a little.


@st.composite
def integer_networks(draw, kinds):
    """Dense and ReLU layers, some of which read one table, with and without biases."""
    widths = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    buckets = {name: draw(st.integers(1, 9)) for name in "ab"}
    layers = []

    def weight(shape, own):
        kind, seed = draw(st.sampled_from(kinds)), draw(st.integers(0, 2**32 - 1))
        if kind not in ANYWHERE:
            return VirtualWeight(shape, KINDS[kind](shape, 7, seed), own)
        table = draw(st.sampled_from("ab"))
        first_id = draw(st.integers(0, 2**40))
        return VirtualWeight(shape, KINDS[kind](shape, buckets[table], seed), table, first_id)

    for k, (fan_in, fan_out) in enumerate(pairwise(widths)):
        bias = weight((fan_out,), f"bias {k}") if draw(st.booleans()) else None
        layers += [Dense(weight((fan_out, fan_in), f"weight {k}"), bias), ReLU()]
    return Sequential(tuple(layers[:-1]))


def assert_exact(draw, network, dtype, backend):
    """No sum exceeds 3 examples 16 weights (4^2 2^3) 3 layers: far below 2^24."""
    fan_in, fan_out = network.layers[0].weight.shape[1], network.layers[-1].weight.shape[0]
    params = {w.table: w.hash.buckets for w in network.weights()}
    params = {name: draw(whole((n,), dtype, 2)) for name, n in params.items()}
    batch = draw(st.integers(1, 3))
    x, dy = draw(whole((batch, fan_in), dtype, 2)), draw(whole((batch, fan_out), dtype, 2))
    y, dx, grads, _ = engine(network, params, x, dy, backend=backend)
    expected_y, expected_dx, expected, _ = autograd(params, plan_of(network), x, dy)
    np.testing.assert_array_equal(y, expected_y)
    np.testing.assert_array_equal(dx, expected_dx)
    assert grads.keys() == expected.keys() == params.keys()
    for name, gradient in grads.items():
        np.testing.assert_array_equal(gradient, expected[name], name)
        assert gradient.dtype == dtype
    assert (y.dtype, dx.dtype) == (dtype, dtype)


@given(st.data(), integer_networks(list(KINDS)), dtypes)
def test_integer_networks_equal_pytorch_bit_for_bit(data, network, dtype):
    assert_exact(data.draw, network, dtype, "numpy")


@given(st.data(), integer_networks(["uniform-signed"]), dtypes)
def test_integer_networks_equal_pytorch_bit_for_bit_in_numba(data, network, dtype):
    pytest.importorskip("numba")
    assert_exact(data.draw, network, dtype, "numba")


def test_a_network_of_many_panels_is_the_same_on_every_backend_and_number_of_threads():
    """Layers above the size of one part; a table of few buckets, where races would show."""
    shared = Uniform(16, seed=9, signed=True)
    wide = VirtualWeight((70, 1100), shared)
    narrow = VirtualWeight((1030, 70), shared, first_id=wide.size)
    network = Sequential((Dense(wide), ReLU(), Dense(narrow)))
    rng = np.random.default_rng(4)
    params = {"table": rng.integers(-2, 3, 16).astype(np.float32)}
    x, dy = (rng.integers(-1, 2, (3, n)).astype(np.float32) for n in (1100, 1030))

    def bits(backend, threads):
        core.set_threads(threads)
        try:
            y, dx, grads, _ = engine(network, params, x, dy, backend=backend)
        finally:
            core.set_threads(None)
        assert abs(y).max() < 2**24 and abs(grads["table"]).max() < 2**24
        return y.tobytes(), dx.tobytes(), grads["table"].tobytes()

    available = [name for name in ("numpy", "numba") if not core.backends()[name]]
    assert len({bits(name, threads) for name in available for threads in (1, 2, 3)}) == 1

    index, sign = (
        read(np.arange(wide.size + narrow.size, dtype=np.uint64))
        for read in (shared.bucket, shared.sign)
    )  # held to the loops by the tests of the hashes
    cut = wide.size
    plan = [
        ("dense", {"weight": ("table", i.reshape(w.shape), s.reshape(w.shape)), "bias": None})
        for w, i, s in ((wide, index[:cut], sign[:cut]), (narrow, index[cut:], sign[cut:]))
    ]
    y, dx, grads, _ = autograd(params, [plan[0], ("relu", {}), plan[1]], x, dy)
    expected = (a.astype(np.float32).tobytes() for a in (y, dx, grads["table"]))
    assert bits("numpy", 1) == tuple(expected)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_gradients_without_dx_have_the_bits_of_those_with_it(backend):
    w = VirtualWeight((9, 7), Uniform(30, signed=True), "a")
    b = VirtualWeight((9,), Modulus(30), "a")
    first, last = Dense(w, b), Dense(VirtualWeight((3, 9), Uniform(30), "a", 99))
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((4, 7)), rng.standard_normal((4, 3))
    norm = BatchNorm1d("n", 9)
    for layers in [(first, last), (ReLU(), first, ELU(), last), (first, norm, ELU(), last)]:
        network = Sequential(layers)
        params = network.init(0, np.float64)
        with core.use(backend):
            _, caches = network.forward(params, x, 0)
            _, grads = network.backward(params, caches, dy)
            alone = network.gradients(params, caches, dy)
        assert set(alone) == set(grads)
        assert all(alone[name].tobytes() == grads[name].tobytes() for name in grads)
    assert Sequential((ReLU(),)).gradients({}, [x], x) == {}


def test_gradients_of_a_shared_table_are_summed_over_its_readers():
    """Beside the same network with a table for each reader, filled with the same numbers."""
    readers = [((4, 3), "w1"), ((4,), "b1"), ((2, 4), "w2"), ((2,), "b2")]
    rng = np.random.default_rng(0)
    table = rng.integers(-3, 4, 5).astype(np.float64)
    hashes = [Uniform(5, seed, signed=True) for seed in range(4)]
    x, dy = rng.integers(-3, 4, (6, 3)).astype(float), rng.integers(-3, 4, (6, 2)).astype(float)

    def gradients(shared):
        names = ["table"] * 4 if shared else [name for _, name in readers]
        weights = [
            VirtualWeight(shape, hash_, name, 10 * k)
            for k, ((shape, _), hash_, name) in enumerate(zip(readers, hashes, names, strict=True))
        ]
        network = Sequential((Dense(*weights[:2]), ReLU(), Dense(*weights[2:])))
        return engine(network, dict.fromkeys(names, table), x, dy)[2]

    one, four = gradients(True), gradients(False)
    assert list(one) == ["table"] and len(four) == 4
    assert all(gradient.any() for gradient in four.values())
    np.testing.assert_array_equal(one["table"], sum(four.values()))


# Refusals.


def weight(shape, buckets, table):
    return VirtualWeight(shape, Modulus(buckets), table)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            lambda: (Dense(weight((2, 3), 5, "t")), Dense(weight((2, 2), 6, "t"))),
            "the table 't' must have hashes of one size, got 5 and 6 buckets; rename",
        ),
        (
            lambda: (Dense(weight((2, 3), 5, "t"), weight((2,), 4, "t")),),
            "the table 't' must have hashes of one size, got 5 and 4 buckets; rename",
        ),
        (
            lambda: (BatchNorm1d("n", 3), BatchNorm1d("n", 3)),
            "two layers hold an array called 'n.gamma'; rename",
        ),
        (
            lambda: (BatchNorm1d("n", 3), Dense(weight((2, 3), 5, "n.beta"))),
            "two layers hold an array called 'n.beta'; rename",
        ),
    ],
    ids=["weights", "bias", "norms", "norm and table"],
)
def test_names_that_clash_are_refused(layers, message):
    with pytest.raises(ValueError, match=message) as caught:
        Sequential(layers())
    assert "\n" not in str(caught.value)


def test_layers_are_kept_as_a_tuple_and_networks_compare_by_value():
    assert Sequential([ELU()]).layers == (ELU(),)
    one, two = (Sequential((Dense(weight((2, 3), 5, "t")), ELU())) for _ in range(2))
    assert one == two != Sequential((ELU(),)) and hash(one) == hash(two)


def test_caches_of_another_network_are_refused():
    network = Sequential((ELU(), ReLU()))
    y, caches = network.forward({}, np.ones((2, 3)))
    with pytest.raises(ValueError):
        network.backward({}, caches[:1], y)


@pytest.mark.parametrize("scope", ["network", "layer"])
def test_the_scale_of_initial_tables_is_a_factor_of_those_alone(scope):
    network = arbnet((7, 5, 3), scope=scope)
    usual, wide = network.init(3), network.init(3, scale=4.0)
    scaled = [name for name in usual if not np.array_equal(usual[name], wide[name])]
    assert scaled == list(dict.fromkeys(w.table for w in network.weights() if len(w.shape) == 2))
    assert all(np.array_equal(4 * usual[name], wide[name]) for name in scaled)
    for scale in (0, -1, np.inf, np.nan):
        with pytest.raises(ValueError, match="the scale of initial tables must be positive, got"):
            network.init(3, scale=scale)
