"""Whole networks against PyTorch's autograd, finite differences and the loops.

Integer-valued networks must agree bit for bit; real ones within the radii of tests/balls.py. The
buckets and signs of every twin come from the loops of reference/hashes.py.
"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash import core
from minihash.arbnet import arbnet
from minihash.hashes import Identity, Lookup, Modulus, Neighborhood, Uniform
from minihash.layers import ELU, BatchNorm1d, Dense, Dropout, ReLU, Sigmoid, Tanh
from minihash.network import Sequential
from minihash.weights import VirtualWeight
from reference import finite_differences, torch_twins
from reference.training import initial_bound, initial_table
from tests import balls
from tests.hash_strategies import ANYWHERE, KINDS
from tests.strategies import cotangent, dtypes, frozen, frozen_dict, whole
from tests.twins import parameters, plan_of

U = {np.float32: 2.0**-24, np.float64: 2.0**-53}
SHARP = {np.float32: 2.0**-5, np.float64: 2.0**-29}
training_or_not = pytest.mark.parametrize("step", [None, 3], ids=["evaluation", "training"])


def autograd(params, plan, x, dy, step=None):
    """(y, dx, gradients, running statistics), by PyTorch in float64."""
    seen = []

    def loss(y, cotangent):
        seen.append(y.detach().numpy())
        return (y * cotangent).sum()

    wide = {name: np.asarray(p, np.float64) for name, p in params.items()}
    x, dy = np.asarray(x, np.float64), np.asarray(dy, np.float64)
    _, _, grads, running = torch_twins.loss_and_gradients(wide, plan, x, dy, step, loss)
    return seen[0], grads.pop("x"), grads, running


def engine(network, params, x, dy, step=None, backend="numpy"):
    with core.use(backend):
        y, caches = network.forward(params, x, step)
        dx, grads = network.backward(params, caches, dy)
    return y, dx, grads, {} if step is None else network.running(params, caches)


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


# Real-valued networks.

SIZES, BATCH = (6, 5, 4), 16
HASHES = {
    "identity": {},
    "modulus": {},
    "uniform": {},
    "dirichlet": {"alpha": 0.5},
    "neighborhood": {"radius": 2},
}
ARBNETS = [
    pytest.param(
        {"hash": hash_, "scope": scope, "bias": bias, **options, **signed},
        id="-".join([hash_, scope, bias, *signed]),
    )
    for hash_, options in HASHES.items()
    for scope in ("network", "layer")
    for bias in ("free", "hashed", "none")
    for signed in ({}, {"signed": True})
    if not (hash_ == "identity" and signed)
] + [
    pytest.param({"hash": "hashednets", "scope": "layer", "bias": bias}, id=f"hashednets-{bias}")
    for bias in ("free", "hashed", "none")
]


def assert_near_pytorch(network, dtype, step, backend="numpy", seed=0):
    rng = np.random.default_rng(seed)
    plan, params = plan_of(network), frozen_dict(parameters(network, rng, dtype))
    x = frozen(rng.normal(size=(BATCH, SIZES[0])).astype(dtype))
    y_shape = (BATCH, SIZES[-1])
    dy = cotangent(y_shape, dtype, seed + 1)
    found = engine(network, params, x, dy, step, backend)
    expected = autograd(params, plan, x, dy, step)

    def radii(u):
        balled = {name: balls.ball(p, u) for name, p in params.items()}
        y, caches, running = balls.forward(balled, plan, balls.ball(x, u), step)
        dx, grads = balls.backward(balled, plan, caches, balls.ball(dy, u), step)
        return y, dx, grads, running

    flat = [
        {"y": y, "dx": dx, **grads, **running}
        for y, dx, grads, running in (found, expected, radii(U[dtype]), radii(U[np.float64]))
    ]
    assert all(sorted(results) == sorted(flat[0]) for results in flat)
    for name, result in flat[0].items():
        oracle, bound = flat[1][name], flat[2][name].rad + flat[3][name].rad
        assert result.dtype == dtype and result.shape == oracle.shape
        assert not any(np.shares_memory(result, given) for given in (x, dy, *params.values()))
        assert (abs(result - oracle) <= bound).all(), name
        # A bound that a wrong network would meet is none.
        assert bound.max() <= SHARP[dtype] * max(abs(r).max() for r in flat[1].values()), name


@training_or_not
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("options", ARBNETS)
def test_arbnets_equal_pytorch(options, dtype, step):
    assert_near_pytorch(arbnet(SIZES, compression=0.7, seed=2, **options), dtype, step)


@training_or_not
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_arbnets_equal_pytorch_in_numba(dtype, step):
    pytest.importorskip("numba")
    network = arbnet(SIZES, "uniform", 0.7, bias="hashed", signed=True)
    assert_near_pytorch(network, dtype, step, "numba")


def mixed_network():
    """Every layer there is, two of a kind among them; Dense layers that share tables and hashes."""
    table, pruned = Uniform(9, 3, signed=True), Lookup(4, [0, 1, 2, 3] * 5, [1, -1, 0, 1, 1] * 4)
    bias = Neighborhood(6, 2, 5)
    return Sequential(
        (
            Dense(VirtualWeight((5, 6), table, "shared", 2**33), VirtualWeight((5,), bias, "b")),
            Dropout(0.25, seed=1),
            Tanh(),
            Dense(VirtualWeight((4, 5), table, "shared", 7), VirtualWeight((4,), bias, "b", 3)),
            BatchNorm1d("first", 4),
            Sigmoid(),
            Dense(VirtualWeight((5, 4), pruned, "pruned")),
            Dropout(0.25, seed=2),
            BatchNorm1d("second", 5),
            ELU(),
            Dense(VirtualWeight((4, 5), Identity(20), "last")),
        )
    )


@training_or_not
@pytest.mark.parametrize("seed", range(3))
def test_a_network_of_all_layers_equals_pytorch(seed, step):
    assert_near_pytorch(mixed_network(), np.float64, step, seed=seed)


@training_or_not
@pytest.mark.parametrize("make", [mixed_network, lambda: arbnet(SIZES, "dirichlet", alpha=1.0)])
def test_backward_equals_finite_differences(make, step):
    network, rng = make(), np.random.default_rng(7)
    params, x = parameters(network, rng), rng.normal(size=(6, SIZES[0]))
    dy = rng.normal(size=(6, SIZES[-1]))
    _, dx, grads, _ = engine(network, params, x, dy, step)

    def holds(f, at, gradient):
        expected, bound = finite_differences.gradient(f, at, dy)
        assert (abs(gradient - expected) <= bound).all()
        assert bound.max() < 1e-4 * abs(expected).max()

    with core.use("numpy"):
        holds(lambda x: network.forward(params, x, step)[0], x, dx)
        for name, gradient in grads.items():
            moved = lambda p, name=name: network.forward(params | {name: p}, x, step)[0]  # noqa: E731
            holds(moved, params[name], gradient)
    trained = {w.table for w in network.weights()}
    trained |= {name for layer in network.layers for name in layer.trainable()}
    assert grads.keys() == trained


def test_an_evaluation_sees_examples_one_by_one_and_draws_no_mask():
    network, rng = mixed_network(), np.random.default_rng(3)
    params, x = parameters(network, rng), rng.normal(size=(5, 6))
    exact = {name: balls.ball(p, U[np.float64]) for name, p in params.items()}
    bound = balls.forward(exact, plan_of(network), balls.ball(x, U[np.float64]))[0].rad
    with core.use("numpy"):
        y, _ = network.forward(params, x)
        alone = np.concatenate([network.forward(params, row[None])[0] for row in x])
        steps = [network.forward(params, x, step)[0] for step in (0, 1, 1)]
    assert (abs(y - alone) <= 2 * bound).all() and bound.max() < 1e-9 * abs(y).max()
    assert (steps[0] != y).any() and (steps[0] != steps[1]).any()
    np.testing.assert_array_equal(steps[1], steps[2])


# Initial parameters.


def initial_network():
    one, two = Uniform(50, 1), Modulus(50)
    return Sequential(
        (
            Dense(VirtualWeight((7, 5), one, "both"), VirtualWeight((7,), Identity(7), "free")),
            BatchNorm1d("norm", 7),
            Dense(VirtualWeight((3, 7), two, "both", 35), VirtualWeight((3,), one, "both", 56)),
            Dense(VirtualWeight((4, 3), Uniform(9), "single")),
        )
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_initial_parameters_are_those_of_the_loops_bit_for_bit(seed, dtype):
    """Hashed biases start like the weights whose table they read, and do not move its bound."""
    params = initial_network().init(seed, dtype)
    tables = {"both": (50, initial_bound([(7, 5), (3, 7)])), "single": (9, initial_bound([(4, 3)]))}
    for name, (entries, bound) in tables.items():
        expected = np.array(initial_table(name, entries, bound, seed))
        assert abs(expected).max() < bound
        assert params[name].tobytes() == expected.astype(dtype).tobytes()
    for name, value in {"norm.gamma": 1, "norm.beta": 0, "norm.running_mean": 0}.items():
        np.testing.assert_array_equal(params[name], np.full(7, value))
    np.testing.assert_array_equal(params["norm.running_var"], np.ones(7))
    np.testing.assert_array_equal(params["free"], np.zeros(7))
    assert len(params) == 7 and {p.dtype.type for p in params.values()} == {dtype}


def test_a_single_matrix_starts_within_one_over_the_root_of_its_fan_in():
    table = arbnet((784, 1000), "uniform", 0.125).init(0, np.float64)["table"]
    assert initial_bound([(1000, 784)]) == 784**-0.5
    assert 0.999 * 784**-0.5 < abs(table).max() < 784**-0.5
    assert abs(table.mean()) < 5 * 784**-0.5 / np.sqrt(3 * table.size)


def test_initial_parameters_are_fresh():
    network = initial_network()
    one, two = network.init(), network.init()
    assert not any(np.shares_memory(one[name], two[name]) for name in one)


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
    assert mixed_network() == mixed_network() != Sequential((ELU(),))
    assert hash(mixed_network()) == hash(mixed_network())


def test_caches_of_another_network_are_refused():
    network = Sequential((ELU(), ReLU()))
    y, caches = network.forward({}, np.ones((2, 3)))
    with pytest.raises(ValueError):
        network.backward({}, caches[:1], y)
