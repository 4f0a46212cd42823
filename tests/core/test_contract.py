"""The contract of what reads arrays, over every backend; what the door refuses; backends from
outside; and that NumPy's backend compiles nothing."""

import subprocess
import sys
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest

from minihash import core
from minihash.core.registry import BACKENDS, OPERATIONS
from minihash.hashes import Uniform
from minihash.hashes.windows import Windows
from minihash.layers import GRU, LSTM, RNN
from minihash.layers.recurrent import Recurrent
from minihash.weights import VirtualWeight
from reference import convolution as convolution_loops
from tests.support.core_cases import with_threads
from tests.support.strategies import frozen

every_backend = pytest.mark.parametrize("backend", ["numpy", "numba"])
RNG = np.random.default_rng(0)
GEOMETRIES = [  # channels, maps, height, width, taps, stride, padding, dilation, groups
    (3, 4, 6, 7, (3, 2), (2, 1), (1, 0), (1, 3), 1),
    (4, 8, 5, 16, (3, 3), (1, 1), (1, 1), (1, 1), 2),  # what vectors fill
    (2, 2, 1, 9, (1, 4), (1, 3), (0, 2), (1, 1), 2),
]


def whole(*shape):
    """Read-only whole numbers: sums of their products are exact."""
    return frozen(RNG.integers(-3, 4, shape).astype(np.float32))


@every_backend
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_convolution_is_its_loops_to_the_bit(geometry, backend):
    channels, maps, height, width, taps, stride, padding, dilation, groups = geometry
    windows = Windows(taps, stride, padding, dilation)
    x, K, B = whole(2, channels, height, width), whole(maps, channels // groups, *taps), whole(maps)
    dy = whole(2, maps, *windows.outputs((height, width)))
    y = core.convolve(x, K, B, windows, groups, backend)
    dx, dK, dB = core.convolve_backward(dy, x, K, True, windows, groups, backend)
    options = stride, padding, dilation, groups
    inputs = [a.astype(np.float64) for a in (x, K, B)]
    assert (y == convolution_loops.convolution_forward(*inputs, *options)).all()
    expected = convolution_loops.convolution_backward(dy.astype(float), *inputs[:2], *options)
    for found, right in zip((dx, dK, dB), expected, strict=True):
        assert found.dtype == np.float32 and (found == right).all()
    assert core.convolve_backward(dy, x, K, False, windows, groups, backend)[2] is None
    none, *rest = core.convolve_backward(dy, x, K, True, windows, groups, backend, need_dx=False)
    assert none is None and (rest[0] == dK).all() and (rest[1] == dB).all()
    assert (core.convolve(x, K, None, windows, groups, backend) == y - B[:, None, None]).all()


@every_backend
def test_sums_are_exact_and_rounded_once(backend):
    dy = np.full((1000, 2), np.float32(0.1))
    dy[:, 1] = np.where(np.arange(1000) % 2, -1e30, 1e30)
    assert (core.column_sum(dy, backend) == np.float32([1000 * float(np.float32(0.1)), 0])).all()
    table = whole(5)
    assert (core.add(table, table, backend) == 2 * table).all()


@every_backend
def test_the_cross_entropy_of_confident_rows(backend):
    """Each row is shifted by its own largest logit: by that of all, nothing would be left."""
    logits = np.float32([[1e4, 1e4 - 2, 0], [-200, -3e4, -202], [0, -1, np.log(3)]])
    nats, p = core.cross_entropy(logits, np.array([1, 0, 2], np.uint8), backend)
    e = np.exp(-2)
    expected = np.array([[1, e, 0], [1, 0, e], [1, np.exp(-1), 3]])
    expected /= expected.sum(axis=1, keepdims=True)
    assert p.dtype == np.float32 and np.allclose(p, expected, rtol=1e-6, atol=0)
    assert nats.dtype == np.float64
    assert np.allclose(nats, -np.log(expected[[0, 1, 2], [1, 0, 2]]), rtol=1e-6, atol=1e-7)


@every_backend
@pytest.mark.parametrize("bias", [True, False])
def test_a_bias_is_added_to_each_row_of_a_product(backend, bias):
    w = VirtualWeight((4, 3), Uniform(5, signed=True))
    x, table, b = whole(6, 3), whole(5), whole(4) if bias else None
    V = core.gather(table, w, "numpy")
    y = core.matmul(x, table, w, backend, b=b)
    assert (y == x @ V.T + (b if bias else 0)).all()


class Sum(Recurrent):
    """A cell of the user's own: h_t = h_{t-1} + a + r."""

    gates = 1

    @staticmethod
    def step(a, r, state):
        return (state[0] + a[0] + r[0],), ()

    @staticmethod
    def step_back(kept, before, dstate):
        return dstate, dstate, dstate


@every_backend
def test_a_cell_of_the_users_own_needs_no_backend_to_know_it(backend):
    layer = Sum.plain("sum", 2, 3, bias=False)
    params = {"sum.weight_ih": whole(6), "sum.weight_hh": np.zeros(9, np.float32)}
    x = whole(2, 4, 2)
    with core.use(backend):
        y, cache = layer.forward(params, x)
        dx, grads = layer.backward(params, cache, np.ones_like(y))
    V = params["sum.weight_ih"].reshape(3, 2)
    assert (y == np.cumsum(x @ V.T, axis=1)).all()
    times = np.arange(4, 0, -1, dtype=np.float32)  # each x counts in all sums from its own on
    assert (dx == times[:, None] * V.sum(0)).all()
    assert (grads["sum.weight_ih"] == np.tile((times[:, None] * x).sum((0, 1)), 3)).all()


@pytest.mark.parametrize("cls", [RNN, GRU, LSTM])
def test_backward_goes_by_the_backend_that_went_forward(cls):
    layer = cls.plain("r", 3, 4)
    params = {w.table: RNG.standard_normal(w.hash.buckets) for w in layer.weights()}
    x, dy = RNG.standard_normal((2, 5, 3)), RNG.standard_normal((2, 5, 4))
    _, cache = layer.forward(params, x)
    with core.use("numpy"):
        other = layer.backward(params, cache, dy)
    right = layer.backward(params, cache, dy)
    assert other[0].tobytes() == right[0].tobytes()


W12 = Windows((1, 2))
ONES, K12 = np.ones((1, 1, 1, 3)), np.ones((1, 1, 1, 2))
REFUSED = [
    (
        lambda: core.convolve(np.ones((1, 3)), K12, None, W12),
        ValueError,
        "x must",
    ),
    (
        lambda: core.convolve(ONES, np.ones((1, 1, 2, 2)), None, W12),
        ValueError,
        "K must have",
    ),
    (lambda: core.convolve(ONES, K12.astype("f4"), None, W12), TypeError, "float32"),
    (
        lambda: core.convolve(ONES, K12, np.ones(2), W12),
        ValueError,
        "B must have",
    ),
    (
        lambda: core.convolve(np.ones((1, 2, 1, 3)), np.ones((3, 1, 1, 2)), None, W12, 2),
        ValueError,
        "multiple of the 2 groups",
    ),
    (
        lambda: core.convolve_backward(ONES, ONES, K12, True, W12),
        ValueError,
        r"dy must have shape \(1, 1, 1, 2\)",
    ),
    (
        lambda: core.recur(Sum, np.ones((1, 2, 3)), (np.ones(4),), [2], (np.ones((4, 3)), K12[0])),
        ValueError,
        "V_hh must have shape",
    ),
    (lambda: core.cross_entropy(np.ones((2, 3)), [0]), ValueError, "a label for each"),
    (lambda: core.cross_entropy(np.ones((0, 3)), np.ones(0, int)), ValueError, "at least one"),
    (lambda: core.cross_entropy(np.ones((1, 3)), [3]), ValueError, r"0 \.\. 2, got 3"),
    (lambda: core.cross_entropy(np.ones(3), [0]), ValueError, r"shape \(any, any\)"),
    (lambda: core.column_sum(np.ones(3)), ValueError, r"shape \(any, any\)"),
    (lambda: core.add(np.ones(3), np.ones(2)), ValueError, r"other must have shape \(3,\)"),
    (
        lambda: core.matmul(np.ones((1, 2)), np.ones(3), VirtualWeight((4, 2), Uniform(3)), b=ONES),
        ValueError,
        r"b must have shape \(4,\)",
    ),
]


@every_backend
@pytest.mark.parametrize("call, error, message", REFUSED)
def test_other_arrays_are_refused_before_any_kernel(call, error, message, backend):
    with core.use(backend), pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


class OnDevice:
    """All that says that an array is in the memory of a GPU."""

    __cuda_array_interface__: ClassVar = {"shape": (1, 1, 1, 3), "typestr": "<f4"}
    dtype, shape, ndim = np.dtype("f4"), (1, 1, 1, 3), 4


@every_backend
def test_arrays_on_a_device_are_refused_by_backends_that_cannot_read_them(backend):
    calls = [
        lambda: core.convolve(OnDevice(), np.ones((1, 1, 1, 2), "f4"), None, W12),
        lambda: core.column_sum(OnDevice()),
        lambda: core.gather(OnDevice(), VirtualWeight((1, 3), Uniform(3))),
    ]
    for call in calls:
        with core.use(backend), pytest.raises(TypeError, match="memory of a GPU"):
            call()


def test_a_backend_from_outside_has_every_operation(monkeypatch):
    module = ModuleType("half_a_backend")
    module.gather = module.available = lambda *_: ""
    monkeypatch.setitem(sys.modules, "half_a_backend", module)
    with pytest.raises(ValueError, match=r"none called scatter_add, .*recur_backward; write"):
        core.register("half", "half_a_backend")
    for name in OPERATIONS:
        setattr(module, name, lambda *_, name=name: name)
    try:
        core.register("half", "half_a_backend")
        core.register("half", "half_a_backend")  # as a module that is loaded again does
        assert core.backends()["half"] == ""
        assert core.add(np.ones(1), np.ones(1), "half") == "add"
        assert core.get_backend().__name__ == "minihash.core.numba"  # only when asked for
        with pytest.raises(ValueError, match="means the backend half_a_backend; choose another"):
            core.register("half", "minihash.core.numpy")
    finally:
        BACKENDS.pop("half", None)


EVERYTHING = """
import sys
import numpy as np
if {blocked}:
    sys.modules["numba"] = None
else:
    from numba.core.dispatcher import Dispatcher
    def refuse(*_, **__):
        raise AssertionError("the backend numpy compiles")
    Dispatcher.compile = Dispatcher._compile_for_args = refuse
from minihash import core
from minihash.data import load
from minihash.hashes import Dirichlet, Uniform
from minihash.layers import Conv1d, MaxPool2d, AveragePool2d, Dropout, Sigmoid, Tanh, ReLU
from minihash.networks import Sequential, arbnet, cnn, language_model, tied_autoencoder
from minihash.training import Training, evaluate, start, steps
from minihash.training import language
from minihash.weights import VirtualWeight

def last(states):
    for state, _ in states:
        pass
    return state

with core.use("numpy"):
    digits = load("digits")
    x, labels, to_input = digits.x_train[:60], digits.y_train[:60], digits.standardiser()
    for network in (
        arbnet((784, 20, 10), hash="dirichlet", alpha=0.5, bias="hashed"),
        arbnet((784, 20, 10), hash="hashednets", scope="layer"),
        cnn((28, 28), 10, (4, 8), (20,), signed=True),
    ):
        training = Training(epochs=1)
        state = last(steps(network, training, start(network, training), x, labels, to_input))
        evaluate(network, state.params, x, labels, to_input)
    network = tied_autoencoder((784, 8), "uniform", 0.5)
    training = Training(loss="squared-error", epochs=1)
    last(steps(network, training, start(network, training), x, None, to_input))
    tokens = np.tile([0, 2, 1, 1], 50)
    for cell in ("rnn", "gru", "lstm"):
        model = language_model(3, 8, cell, tied=True, hash="uniform", compression=0.5)
        training = Training(1, 4)
        begin = start(model.network, training)
        state = last(language.steps(model, training, begin, tokens, 8))
        language.generate(model, state.params, tokens[:3], 5)
    pools = MaxPool2d(2), AveragePool2d(2), Dropout(0.5), Sigmoid(), Tanh(), ReLU()
    pools = Sequential(pools)
    y, caches = pools.forward({{}}, np.ones((2, 3, 8, 8)), step=1)
    pools.backward({{}}, caches, y)
    conv = Conv1d(VirtualWeight((2, 3, 3), Uniform(5)))
    params = {{"table": np.ones(5)}}
    y, cache = conv.forward(params, np.ones((2, 3, 8)))
    conv.backward(params, cache, y)
print("done")
"""


@pytest.mark.parametrize("blocked", [True, False], ids=["numba blocked", "numba there"])
def test_the_backend_numpy_compiles_nothing(blocked):
    """Every layer, forward and backward, in a process that has compiled nothing yet."""
    code = EVERYTHING.format(blocked=blocked)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert run.stdout == "done\n", run.stderr[-2000:]


@every_backend
def test_a_convolution_has_the_same_bits_on_any_number_of_threads(backend):
    x, K = RNG.standard_normal((9, 4, 12, 17)), RNG.standard_normal((6, 4, 3, 3))
    windows, results = Windows((3, 3), padding=1), set()
    for threads in (1, 2, 5):
        with with_threads(threads):
            y = core.convolve(x, K, None, windows, backend=backend)
            rest = core.convolve_backward(y, x, K, True, windows, backend=backend)
        results.add(b"".join(a.tobytes() for a in (y, *rest)))
    assert len(results) == 1
