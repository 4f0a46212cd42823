"""The cases of layers and networks on the GPU backend: arrays on the device stay there, and layers
that are not computed there refuse them. `test_cuda.py` runs this file as it runs cuda_cases.py.
"""

from dataclasses import replace

import numpy as np
import pytest
from numba import cuda

from minihash import checks, core
from minihash.checks import on_device
from minihash.hashes import Identity, Modulus, Toeplitz, Uniform
from minihash.layers import (
    ELU,
    GRU,
    LSTM,
    RNN,
    AveragePool2d,
    BatchNorm1d,
    BatchNorm2d,
    Conv1d,
    Conv2d,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool,
    HyperLSTM,
    MaxPool2d,
    ReLU,
    Reshape,
    Sigmoid,
    Tanh,
    mean_squared_error,
    softmax_cross_entropy,
)
from minihash.layers.unrolled import Unrolled
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight
from tests.support.cuda_support import (
    SIMULATED,
    all_same,
    same,
    small_blocks,  # noqa: F401
    whole,
)
from tests.support.recurrent_cases import by_layer, example

# The simulator computes in NumPy scalars, which warn where a GPU does not.
pytestmark = [
    pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning"),
]


def free(*shape: int, table: str = "free") -> VirtualWeight:
    return VirtualWeight(shape, Identity(int(np.prod(shape))), table)


def shared(*shape: int, first_id: int = 0) -> VirtualWeight:
    return VirtualWeight(shape, Uniform(7, signed=True), "shared", first_id)


KERNEL = VirtualWeight((3, 2, 2, 2), Modulus(5), "kernel")
TAPS = VirtualWeight((4, 1, 2), Uniform(5, 1), "kernel")
EMBEDDING = VirtualWeight((6, 4), Uniform(9, signed=True), "E")
RELU = {"nonlinearity": "relu"}
IMAGE = (1, 2, 4, 4)
NETWORKS = {  # the layers, and the shape of x
    "dense": ((Dense(shared(5, 4), free(5, table="b")), Dense(free(3, 5))), (3, 4)),
    "one table": ((Dense(shared(4, 3), shared(4, first_id=9)), Dense(shared(2, 4))), (3, 3)),
    "tied": ((Dense(shared(3, 5)), Dense(shared(3, 5).T)), (2, 5)),
    "positions": ((Dense(shared(3, 4), free(3)),), (2, 3, 4)),
    "conv2d": (
        (Conv2d(KERNEL, free(3, table="B"), padding=1), Flatten(), Dense(shared(2, 27))),
        (2, 2, 2, 2),
    ),
    "conv1d": (
        (Conv1d(TAPS, VirtualWeight((4,), TAPS.hash, "kernel"), 2, groups=2), Flatten()),
        (2, 2, 5),
    ),
    "reshape": ((Reshape((2, 2, 3)), Conv2d(KERNEL)), (2, 12)),
    "toeplitz": ((Dense(VirtualWeight((8, 9), Toeplitz((1, 3, 3), (2, 2, 2)), "K")),), (2, 9)),
    "relu": ((RNN.plain("r", 3, 2, **RELU), Dense(shared(2, 2))), (2, 3, 3)),
    "gru": ((GRU.numbered(3, 2, Modulus(7)), Dense(shared(2, 2))), (2, 3, 3)),
    "lstm": ((LSTM.plain("r", 3, 2, truncate=2), LSTM.plain("s", 2, 2)), (2, 3, 3)),
    "embedding": ((Embedding(EMBEDDING), LSTM.plain("r", 4, 2), Dense(free(6, 2))), None),
    "tied embedding": ((Embedding(EMBEDDING), Dense(EMBEDDING)), None),
    "activations": (
        (Dense(shared(5, 4)), ReLU(), Dense(shared(3, 5)), ELU(), Tanh(), Sigmoid()),
        (3, 4),
    ),
}
WHOLE = {"dense", "one table", "tied", "positions", "conv2d", "conv1d", "reshape", "toeplitz"}
WHOLE |= {"relu", "tied embedding"}  # the others compute in real numbers


def network(name: str) -> tuple[Sequential, dict, np.ndarray]:
    """The network with random parameters, and x: integers all."""
    layers, shape = NETWORKS[name]
    net = Sequential(layers)
    params = {w.table: whole(w.hash.buckets, most=2) for w in net.weights()}
    x = np.array([[5, 0, 5], [1, 2, 3]]) if shape is None else whole(*shape, most=2)
    return net, params, x


def pass_through(net: Sequential, params: dict, x, dy=None) -> tuple[list, dict]:
    """y, dx unless the network begins with tokens; and the gradients."""
    y, caches = net.forward(params, x)
    dx, grads = net.backward(params, caches, y if dy is None else dy)
    return [y] if dx is None else [y, dx], grads


def address(array) -> int:
    if SIMULATED:
        return array._ary.__array_interface__["data"][0]
    return array.__cuda_array_interface__["data"][0]


@pytest.mark.parametrize("name", NETWORKS)
def test_device_arrays_stay_on_the_device(name, monkeypatch):
    """Nothing comes back in between; results are fresh, inputs stay as they are; NumPy in, NumPy
    out, with the same bits."""
    net, params, x = network(name)
    with core.use("numpy"):
        expected, expected_grads = pass_through(net, params, x)
    dy = expected[0]
    far = {key: cuda.to_device(table) for key, table in params.items()}
    far_x, far_dy = (a if a.dtype.kind == "i" else cuda.to_device(a) for a in (x, dy))
    with core.use("cuda"):
        near, near_grads = pass_through(net, params, x, dy)
        with monkeypatch.context() as patch:
            patch.setattr(type(far_dy), "copy_to_host", None)
            results, grads = pass_through(net, far, far_x, far_dy)
    assert grads.keys() == near_grads.keys() == params.keys()
    inputs = [*far.values(), far_dy] + ([far_x] if on_device(far_x) else [])
    addresses = {address(a) for a in inputs}
    for result in (*results, *grads.values()):
        assert on_device(result)
        assert address(result) not in addresses
    all_same([r.copy_to_host() for r in results], near)
    for key, grad in grads.items():
        same(grad.copy_to_host(), near_grads[key])
    if name in WHOLE:
        all_same(near, expected)
        all_same([near_grads[k] for k in params], [expected_grads[k] for k in params])
    for array, original in zip(inputs, [*params.values(), dy, x], strict=False):
        same(array.copy_to_host(), original)


@pytest.mark.parametrize("layer", [Flatten(), Reshape((1, 3))])
def test_another_shape_is_a_copy(layer):
    x = cuda.to_device(whole(2, 3))
    y, cache = layer.forward({}, x)
    dx, _ = layer.backward({}, cache, y)
    assert len({address(array) for array in (x, y, dx)}) == 3
    same(dx.copy_to_host(), x.copy_to_host())


def test_one_device_array_is_enough():
    net, params, x = network("conv1d")
    far = {**params, "kernel": cuda.to_device(params["kernel"])}
    with core.use("cuda"):
        for some, into in ((far, x), (params, cuda.to_device(x))):
            y, caches = net.forward(some, into)
            dx, grads = net.backward(some, caches, y)
            assert all(map(on_device, (y, dx, grads["kernel"])))


def test_states_of_a_recurrent_layer():
    """Given on the device or left out; the last one, and its gradient, are on the device too."""
    case = replace(example("lstm", np.float32, 3, 2, 2, 2), params={}, lengths=None)
    params = {w.table: whole(w.size, most=2) for w in case.layer.weights()}
    far = {name: cuda.to_device(table) for name, table in params.items()}
    state, dstate = (tuple(map(cuda.to_device, s)) for s in (case.state, case.dstate))
    with core.use("cuda"):
        found = by_layer(replace(case, params=far, state=state, dstate=dstate))
        near = by_layer(replace(case, params=params))
    for name, result in found.items():
        same(result.copy_to_host(), near[name])


@pytest.mark.parametrize("step", [None, 1])
@pytest.mark.parametrize(
    "layer, shape", [(BatchNorm1d("n", 3), (4, 3)), (BatchNorm2d("n", 2), IMAGE)]
)
def test_normalisation_stays_on_the_device(layer, shape, step, monkeypatch):
    """x, gamma and beta; what is running is on the host, since it counts in evaluation alone."""
    params = {name: whole(*size, most=3) for name, (size, _) in layer.arrays().items()}
    params["n.running_var"] = abs(params["n.running_var"])
    x, dy = whole(*shape), whole(*shape)
    far = params | {name: cuda.to_device(params[name]) for name in layer.trainable()}
    far_x, far_dy = cuda.to_device(x), cuda.to_device(dy)
    with core.use("cuda"):
        y, cache = layer.forward(params, x, step)
        dx, grads = layer.backward(params, cache, dy)
        with monkeypatch.context() as patch:
            patch.setattr(type(far_x), "copy_to_host", None)
            far_y, far_cache = layer.forward(far, far_x, step)
            far_dx, far_grads = layer.backward(far, far_cache, far_dy)
        if step:
            running = layer.running(far, far_cache)
            all_same(list(running.values()), list(layer.running(params, cache).values()))
        for name in params.keys() - grads.keys():
            refused = {**params, name: cuda.to_device(params[name])}
            if step is None:
                with pytest.raises(TypeError, match=REFUSAL):
                    layer.forward(refused, x)
    far_results = far_y, far_dx, *far_grads.values()
    assert all(map(on_device, far_results))
    assert len({address(a) for a in (*far_results, far_x, far_dy)}) == 6
    all_same([a.copy_to_host() for a in far_results], [y, dx, *grads.values()])
    with core.use("numpy"):
        right = layer.forward(params, x, step)[0]
    np.testing.assert_allclose(y, right, 1e-5, 1e-5)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_other_backends_refuse_networks_on_the_device(backend):
    net, params, x = network("dense")
    for taker in (net, ELU(), BatchNorm1d("n", 4)):
        own = params | {f"n.{name}": np.ones(4, np.float32) for name in ("gamma", "beta")}
        with core.use(backend), pytest.raises(TypeError, match="take the backend cuda or copy it"):
            taker.forward(own, cuda.to_device(x), 1)


def test_arrays_of_another_library_in_a_layer(monkeypatch):
    class Foreign:
        """All that is known of another library's array."""

        def __init__(self, array):
            self.array = array
            self.__cuda_array_interface__ = getattr(array, "__cuda_array_interface__", {})

    if SIMULATED:
        monkeypatch.setattr(cuda, "as_cuda_array", lambda a: a.array, raising=False)
    net, params, x = network("dense")
    far = {name: Foreign(cuda.to_device(table)) for name, table in params.items()}
    with core.use("cuda"):
        y, caches = net.forward(far, Foreign(cuda.to_device(x)))
        dx, grads = net.backward(far, caches, Foreign(y))
        results, near = pass_through(net, params, x)
    all_same([y.copy_to_host(), dx.copy_to_host()], results)
    for name, grad in grads.items():
        same(grad.copy_to_host(), near[name])


IN_CONTRACT = {Dense, Conv1d, Conv2d, Embedding, RNN, GRU, LSTM, Flatten, Reshape}
IN_CONTRACT |= {ELU, ReLU, Sigmoid, Tanh, BatchNorm1d, BatchNorm2d}
REFUSING = {  # layers, and the shape of an x that they take
    Dropout(0.5): (2, 3),
    MaxPool2d(2): IMAGE,
    AveragePool2d(2): IMAGE,
    GlobalAveragePool(): IMAGE,
    Unrolled(RNN.numbered(3, 2, Modulus(21)), 2): (2, 2, 3),
    HyperLSTM.plain("hyper", features=3, hidden=5, small=2, embedding=4): (2, 2, 3),
}
REFUSAL = "is in the memory of a GPU, where this cannot be computed; copy it to the host$"


@pytest.mark.parametrize("layer", REFUSING, ids=lambda layer: type(layer).__name__)
def test_layers_out_of_the_contract_refuse(layer):
    x, params = whole(*REFUSING[layer]), {w.table: whole(w.hash.buckets) for w in layer.weights()}
    params |= {name: whole(*shape) for name, (shape, _) in layer.arrays().items()}
    with core.use("cuda"):
        y, cache = layer.forward(params, x, 1)
        with pytest.raises(TypeError, match=REFUSAL):
            layer.forward(params, cuda.to_device(x), 1)
        with pytest.raises(TypeError, match=REFUSAL):
            layer.backward(params, cache, cuda.to_device(y))


def test_losses_refuse():
    y, labels = whole(2, 3), np.array([0, 2])
    with pytest.raises(TypeError, match=REFUSAL):
        softmax_cross_entropy.forward(cuda.to_device(y), labels)
    for pair in ((cuda.to_device(y), y), (y, cuda.to_device(y))):
        with pytest.raises(TypeError, match=REFUSAL):
            mean_squared_error.forward(*pair)


def test_every_layer_is_in_the_contract_or_refuses():
    from minihash import layers

    known = {cls.__name__ for cls in (*IN_CONTRACT, *map(type, REFUSING))} - {"Unrolled"}
    losses = {"mean_squared_error", "softmax_cross_entropy", "Distillation"}
    assert known == set(layers.__all__) - losses


def test_tokens_are_read_on_the_host():
    net, params, x = network("tied embedding")
    with core.use("cuda"), pytest.raises(TypeError, match="tokens are in the memory of a GPU"):
        net.forward(params, cuda.to_device(x))
    with pytest.raises(TypeError, match="lengths are in the memory of a GPU"):
        checks.index_array(cuda.to_device(x), "lengths", 9)


def test_floats_of_another_byte_order_are_refused():
    x = cuda.to_device(np.ones(3, np.float32).astype(np.float32(0).dtype.newbyteorder()))
    with pytest.raises(TypeError, match="x must be float32 or float64"):
        checks.float_array(x, "x", (3,), device=True)
