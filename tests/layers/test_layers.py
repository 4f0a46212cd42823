"""What all layers share: inputs left alone, any memory layout, refusals; and Dropout."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash.hashes import Identity, Modulus
from minihash.layers import ELU, BatchNorm1d, Dense, Dropout, ReLU, Sigmoid, Tanh
from minihash.weights import VirtualWeight
from reference import cases
from reference import layers as loops
from reference.streams import h, stream
from tests.support.strategies import cotangent, dtypes, frozen, frozen_dict, layouts, sizes, whole

FEATURES = 6
LAYERS = {
    "Dense": Dense(
        VirtualWeight((FEATURES, FEATURES), Modulus(7)),
        VirtualWeight((FEATURES,), Identity(FEATURES), "bias"),
    ),
    "BatchNorm1d": BatchNorm1d("norm", FEATURES),
    "Dropout": Dropout(0.3, seed=5),
    "ELU": ELU(),
    "ReLU": ReLU(),
    "Tanh": Tanh(),
    "Sigmoid": Sigmoid(),
}
every_layer = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
both_modes = pytest.mark.parametrize("step", [None, 4], ids=["evaluation", "training"])


def parameters(layer, dtype, seed=0):
    """Random positive parameters, read-only."""
    rng = np.random.default_rng(seed)
    shapes = {w.table: (w.hash.buckets,) for w in layer.weights()}
    shapes |= {name: shape for name, (shape, _) in layer.arrays().items()}
    return frozen_dict({name: rng.uniform(0.5, 2, s).astype(dtype) for name, s in shapes.items()})


def run(layer, params, x, dy, step):
    """Everything that the layer computes, as one dict."""
    y, cache = layer.forward(params, x, step)
    dx, grads = layer.backward(params, cache, dy)
    running = layer.running(params, cache) if step is not None else {}
    return {"y": y, "dx": dx} | grads | running


@every_layer
@both_modes
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_are_fresh_and_keep_the_dtype_and_the_layout_of_inputs_does_not_matter(
    layer, step, dtype
):
    params, x = parameters(layer, dtype), cotangent((5, FEATURES), dtype, 1)
    dy = cotangent((5, FEATURES), dtype, 2)
    plain = run(layer, params, x, dy, step)
    inputs = [x, dy, *params.values()]
    for name, result in plain.items():
        assert result.dtype == dtype and result.flags.writeable, name
        assert not any(np.shares_memory(result, given) for given in inputs), name
    for layout in layouts(x):
        other = {name: layouts(array)[layout] for name, array in params.items()}
        again = run(layer, other, layouts(x)[layout], layouts(dy)[layout], step)
        assert {k: v.tobytes() for k, v in again.items()} == {
            k: v.tobytes() for k, v in plain.items()
        }, layout


@every_layer
@both_modes
def test_backward_may_be_called_twice(layer, step):
    params, x = parameters(layer, np.float64), cotangent((5, FEATURES), np.float64, 1)
    _, cache = layer.forward(params, x, step)
    dy = cotangent((5, FEATURES), np.float64, 2)
    first, second = (layer.backward(params, cache, dy) for _ in range(2))
    assert first[0].tobytes() == second[0].tobytes()
    assert {k: v.tobytes() for k, v in first[1].items()} == {
        k: v.tobytes() for k, v in second[1].items()
    }


@pytest.mark.parametrize(
    ("name", "step"),
    # BatchNorm1d has no statistics of nothing: test_batch_norm.py
    [(name, step) for name in LAYERS for step in (None, 4) if (name, step) != ("BatchNorm1d", 4)],
)
def test_an_empty_batch_gives_an_empty_batch_and_zero_gradients(name, step):
    layer = LAYERS[name]
    empty = np.zeros((0, FEATURES))
    result = run(layer, parameters(layer, np.float64), empty, empty, step)
    assert result.pop("y").shape == result.pop("dx").shape == (0, FEATURES)
    assert all(not gradient.any() for gradient in result.values())


@every_layer
def test_x_and_dy_that_do_not_fit_are_refused_in_one_line(layer):
    params, good = parameters(layer, np.float64), np.ones((5, FEATURES))
    for x in (np.ones((5, FEATURES), int), np.ones((5, FEATURES), np.float16), good > 0, good + 0j):
        with pytest.raises(TypeError, match=rf"must be float32 or float64, got {x.dtype}.*astype$"):
            layer.forward(params, x)
    _, cache = layer.forward(params, good)
    with pytest.raises(ValueError, match=r"^dy .*must have shape \(5, 6\), got \(6, 6\); .*$"):
        layer.backward(params, cache, np.ones((6, FEATURES)))
    with pytest.raises(TypeError, match=r"^dy .*must be float64 .*, got float32; .*$"):
        layer.backward(params, cache, np.ones((5, FEATURES), np.float32))


@pytest.mark.parametrize("layer", [LAYERS["Dense"], LAYERS["BatchNorm1d"]], ids=["Dense", "Norm"])
def test_parameters_that_do_not_fit_are_refused_in_one_line(layer):
    good, x = parameters(layer, np.float64), np.ones((5, FEATURES))
    shapes = [(5, FEATURES + 1), (FEATURES,)]
    for shape in shapes if isinstance(layer, Dense) else [*shapes, (1, 5, FEATURES)]:
        with pytest.raises(ValueError, match=r"^x of .*must have shape \(any, 6\), got .*; .*$"):
            layer.forward(good, np.ones(shape))
    for name in good:
        missing = {other: array for other, array in good.items() if other != name}
        with pytest.raises(ValueError, match=rf"^params must hold an array '{name}', got .*; .*$"):
            layer.forward(missing, x)
        with pytest.raises(ValueError, match=rf"^the parameter '{name}' must have shape .*; .*$"):
            layer.forward(good | {name: np.ones(99)}, x)
        with pytest.raises(TypeError, match=rf"^the parameter '{name}' must be float64 .*; .*$"):
            layer.forward(good | {name: good[name].astype(np.float32)}, x)


@given(
    data=st.data(),
    dtype=dtypes,
    shape=st.tuples(sizes, sizes),
    rate=st.sampled_from([0.0, 0.25, 0.5, 0.9]) | st.floats(0, 1, exclude_max=True),
    seed=st.integers(0, 2**32 - 1),
    step=st.sampled_from([0, 1, 2**31, 2**32 - 1]),
)
def test_dropout_keeps_what_the_loops_keep(data, dtype, shape, rate, seed, step):
    x, dy = data.draw(whole(shape, dtype)), data.draw(whole(shape, dtype))
    layer = Dropout(rate, seed)
    kept = loops.dropout_mask(shape, rate, seed, step)
    assert (layer.mask(shape, step) == kept).all()
    y, cache = layer.forward({}, x, step)
    dx, _ = layer.backward({}, cache, dy)
    assert (y == np.where(kept, x, 0) / dtype(1 - rate)).all()
    assert (dx == np.where(kept, dy, 0) / dtype(1 - rate)).all()
    assert layer.forward({}, x)[0].tobytes() == x.tobytes()


@given(st.integers(0, 2**32 - 1), st.integers(0, 99), st.integers(0, 2**32 - 1))
def test_dropout_keeps_an_element_up_to_its_own_hash(seed, element, step):
    word = h(stream(seed, "dropout"), element + 2**32 * step)
    for above in (0, 1):
        rate = (word + above) / 2**32
        if rate < 1:
            assert Dropout(rate, seed).mask((100,), step)[element] == (above == 0)


@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_dropout_is_its_own_adjoint(data, seed):
    x, dy = data.draw(whole((4, 5), np.float64)), data.draw(whole((4, 5), np.float64))
    layer = Dropout(0.5, seed)
    y, cache = layer.forward({}, x, step=7)
    dx, _ = layer.backward({}, cache, dy)
    assert (dy * y).sum() == (dx * x).sum()


@pytest.mark.parametrize("case", cases.load("dropout")["groups"], ids=lambda c: c["catches"])
def test_dropout_masks_are_the_known_answers(case):
    mask = Dropout(case["rate"], case["seed"]).mask(tuple(case["shape"]), case["step"])
    assert mask.reshape(-1).astype(int).tolist() == case["kept"]


def test_dropout_passes_nan_and_infinity_on():
    x = frozen(np.tile([np.nan, np.inf], 20).reshape(8, 5))
    layer = Dropout(0.5, seed=1)
    y, _ = layer.forward({}, x, step=0)
    kept = layer.mask(x.shape, 0)
    assert np.isnan(y[np.isnan(x) | ~kept]).all() and (y[np.isinf(x) & kept] == np.inf).all()


def test_the_share_that_dropout_drops_is_its_rate():
    count = 40_000
    for rate in (0.1, 0.25, 0.5):
        dropped = count - Dropout(rate, seed=3).mask((count,), step=9).sum()
        assert abs(dropped - count * rate) < 5 * np.sqrt(count * rate * (1 - rate))


def test_dropout_masks_differ_from_step_to_step_and_seed_to_seed():
    masks = [Dropout(0.5, seed).mask((999,), step).tobytes() for seed in (1, 2) for step in (1, 2)]
    assert len(set(masks)) == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dropout(1.0), r"rate of Dropout must lie in \[0, 1\), got 1.0; .*"),
        (lambda: Dropout(float("nan")), r"rate of Dropout must lie in \[0, 1\), got nan; .*"),
        (lambda: Dropout(0.5, -1), r"seed of Dropout must lie in 0 .. 4294967295, got -1; .*"),
        (lambda: Dropout("0.5"), r"rate of Dropout must be a number, got '0.5'; .*"),
        (lambda: Dropout(True), r"rate of Dropout must be a number, got True; .*"),
        (lambda: Dropout(0.5).mask((1,), 2**32), r"step must lie in .*, got 4294967296; .*"),
        (lambda: Dropout(0.5).mask((2**17, 2**17), 0), r"elements of x of Dropout must lie in .*"),
    ],
)
def test_dropout_refuses_what_it_cannot_do_in_one_line(make, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        make()
