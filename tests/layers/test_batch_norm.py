"""BatchNorm1d and BatchNorm2d against PyTorch's autograd and modules, and the loops.

Images are compared as rows: the channels at a position of an example are an example of features.

`Budget` carries the error of each quantity through the formulae of the module, to first order (the
second order is below 1 %: eps >= 1e-5 while the data are at most 8), with e = 2 u:

    mean      gamma_(n+1) mean|x| + e |mean|
    x - mean  error of the mean + e (|x| + |mean|)                           =: d
    var       2 mean(|x - mean| d) + gamma_(n+2) var
    r         r / 2 * error of var / (var + eps) + 3 e r
    x_hat     d r + |x - mean| * error of r + e |x_hat|
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from minihash.layers import BatchNorm1d, BatchNorm2d
from reference import batch_norm as loops
from reference.pooling import positions_as_examples
from tests.support.bounds import assert_within, autograd, eps, gamma
from tests.support.strategies import cotangent, dtypes, frozen_dict, real, sizes

SECOND_ORDER = 1.01
keys = ("gamma", "beta", "running_mean", "running_var")


@dataclass
class Budget:
    """Error bounds of one evaluation with unit roundoff e / 2."""

    e: float
    x: np.ndarray
    statistics: tuple | None
    layer_eps: float

    def __post_init__(self):
        x, e, n = np.asarray(self.x, np.float64), self.e, len(self.x)
        mean, var = self.statistics or (x.mean(0), x.var(0))
        self.mean = 0.0 if self.statistics else gamma(n + 1, e) * abs(x).mean(0) + e * abs(mean)
        d = self.mean + e * (abs(x) + abs(mean))
        self.var = 0.0
        if not self.statistics:
            self.var = 2 * (abs(x - mean) * d).mean(0) + gamma(n + 2, e) * var
        self.r = 1 / np.sqrt(var + self.layer_eps)
        self.r_error = self.r * (self.var / (var + self.layer_eps) / 2 + 3 * e)
        self.x_hat = abs(x - mean) * self.r
        self.x_hat_error = d * self.r + abs(x - mean) * self.r_error + e * self.x_hat

    def y(self, weight, bias):
        return abs(weight) * self.x_hat_error + 2 * self.e * (abs(weight) * self.x_hat + abs(bias))

    def gradients(self, dy, weight):
        """Of dx, dgamma and dbeta."""
        n, e, dy = len(dy), self.e, abs(dy.astype(np.float64))
        dbeta, dgamma = dy.sum(0), (dy * self.x_hat).sum(0)
        dbeta_error = gamma(n + 1, e) * dbeta
        dgamma_error = (dy * self.x_hat_error).sum(0) + gamma(n + 2, e) * dgamma
        inner, inner_error = dy, 0.0
        if not self.statistics:
            inner = dy + (dbeta + self.x_hat * dgamma) / n
            inner_error = dbeta_error + self.x_hat_error * dgamma + self.x_hat * dgamma_error
            inner_error = inner_error / n + 4 * e * inner
        slope_error = self.r_error + 2 * e * self.r
        return abs(weight) * (slope_error * inner + self.r * inner_error), dgamma_error, dbeta_error


def total(bound, dtype):
    """The bound of a result in dtype plus that of the oracle; bound(e) may be several at once."""
    pairs = zip(bound(eps(dtype)), bound(eps(np.float64)), strict=True)
    return [SECOND_ORDER * (ours + oracles) for ours, oracles in pairs]


def rows(a):
    """A batch of features as it is, one of images as rows of channels."""
    return a if a.ndim == 2 else positions_as_examples(a).astype(a.dtype)


@st.composite
def cases(draw, smallest_batch):
    """(layer, params, x, dy)."""
    dtype, batch, features = draw(dtypes), draw(st.integers(smallest_batch, 8)), draw(sizes)
    positions = draw(st.sampled_from([(), (1, 1), (2, 1), (3, 4)]))
    cls = BatchNorm2d if positions else BatchNorm1d
    layer = cls("n", features, eps=draw(st.sampled_from([1e-5, 1e-3, 1.0])))
    params = {f"n.{key}": draw(real((features,), dtype)) for key in keys}
    params["n.running_var"] = abs(params["n.running_var"])
    x = draw(real((batch, features, *positions), dtype))
    return layer, frozen_dict(params), x, cotangent(x.shape, dtype, draw(st.integers(0, 99)))


def agrees(layer, params, x, dy, step, expected):
    y, cache = layer.forward(params, x, step)
    dx, grads = layer.backward(params, cache, dy)
    assert {a.dtype for a in (y, dx, *grads.values())} == {x.dtype}
    assert tuple(grads) == layer.trainable()
    weight, bias, mean, var = (params[f"n.{key}"].astype(np.float64) for key in keys)
    statistics = (mean, var) if step is None else None

    def bound(e):
        budget = Budget(e, rows(x), statistics, layer.eps)
        return budget.y(weight, bias), *budget.gradients(rows(dy), weight)

    assert y.shape == dx.shape == x.shape
    results = (rows(y), rows(dx), *grads.values())
    for result, exact, allowed in zip(results, expected, total(bound, x.dtype), strict=True):
        assert_within(result, exact, allowed + np.finfo(x.dtype).tiny)


@given(cases(smallest_batch=2))
def test_training_is_pytorchs_and_the_loops(case):
    layer, params, x, dy = case
    weight, bias = params["n.gamma"], params["n.beta"]
    f = partial(functional.batch_norm, running_mean=None, running_var=None, training=True)
    by_torch = autograd(lambda x, g, b: f(x, weight=g, bias=b, eps=layer.eps), dy, x, weight, bias)
    agrees(layer, params, x, dy, 3, (rows(by_torch[0]), rows(by_torch[1][0]), *by_torch[1][1:]))
    y = loops.batch_norm_forward(rows(x), weight, bias, eps=layer.eps)
    gradients = loops.batch_norm_backward(rows(dy), rows(x), weight, eps=layer.eps)
    agrees(layer, params, x, dy, 3, (y, *gradients))


@given(cases(smallest_batch=0))
def test_evaluation_is_pytorchs_and_the_loops(case):
    layer, params, x, dy = case
    weight, bias, *statistics = (params[f"n.{key}"].astype(np.float64) for key in keys)
    running = [torch.tensor(s) for s in statistics]
    by_torch = autograd(
        lambda x, g, b: functional.batch_norm(x, *running, g, b, eps=layer.eps), dy, x, weight, bias
    )
    agrees(layer, params, x, dy, None, (rows(by_torch[0]), rows(by_torch[1][0]), *by_torch[1][1:]))
    y = loops.batch_norm_forward(rows(x), weight, bias, tuple(statistics), layer.eps)
    gradients = loops.batch_norm_backward(rows(dy), rows(x), weight, tuple(statistics), layer.eps)
    agrees(layer, params, x, dy, None, (y, *gradients))


@given(
    dtype=dtypes,
    momentum=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    batches=st.lists(st.integers(2, 9), min_size=1, max_size=6),
    seed=st.integers(0, 999),
    images=st.booleans(),
)
def test_running_statistics_follow_pytorchs_modules(dtype, momentum, batches, seed, images):
    rng = np.random.default_rng(seed)
    layer = (BatchNorm2d if images else BatchNorm1d)("n", 3, momentum=momentum)
    module = torch.nn.BatchNorm2d if images else torch.nn.BatchNorm1d
    params = {name: np.full(shape, value, dtype) for name, (shape, value) in layer.arrays().items()}
    twin = module(3, momentum=momentum, dtype=torch.float64)
    loop = np.zeros(3), np.ones(3)
    errors = [np.zeros(3), np.zeros(3)]
    for step, batch in enumerate(batches):
        x = (rng.standard_normal((batch, 3)) * [1, 5, 0.1] + [0, 4, -1]).astype(dtype)
        params = frozen_dict(dict(params))
        before = {name: array.copy() for name, array in params.items()}
        given_x = x
        if images:  # a row of positions of one example
            given_x = np.ascontiguousarray(x.T).reshape(1, 3, 1, batch)
        _, cache = layer.forward(params, given_x, step)
        new = layer.running(params, cache)
        assert set(new) == {"n.running_mean", "n.running_var"}
        assert all((params[name] == before[name]).all() for name in params)
        params = params | new
        twin(torch.tensor(given_x.astype(np.float64)))
        loop = loops.batch_norm_running(x, *loop, momentum)

        def bound(e, x=x, loop=loop, n=batch):
            budget = Budget(e, x, None, layer.eps)
            mean, var = abs(x).mean(0), x.var(0) * n / (n - 1)
            size = [abs(loop[0]) + momentum * mean, loop[1] + momentum * var]
            error = [budget.mean, budget.var * n / (n - 1)]
            return [momentum * a + 4 * e * b for a, b in zip(error, size, strict=True)]

        step_errors = total(bound, dtype)
        errors = [(1 - momentum) * a + b for a, b in zip(errors, step_errors, strict=True)]
        for key, error, exact in zip(keys[2:], errors, loop, strict=True):
            assert params[f"n.{key}"].dtype == dtype
            assert_within(params[f"n.{key}"], getattr(twin, key).numpy(), error)
            assert_within(params[f"n.{key}"], exact, error)


def test_statistics_of_float32_are_summed_in_float64():
    # Summed row by row in float32, the mean of 2^16 numbers near 1000 is off in the fifth digit.
    x = (1000 + np.random.default_rng(0).standard_normal((2**16, 3))).astype(np.float32)
    layer = BatchNorm1d("n", 3, momentum=1.0)
    initial = layer.arrays().items()
    params = {name: np.full(shape, value, np.float32) for name, (shape, value) in initial}
    new = layer.running(params, layer.forward(params, x, 0)[1])
    exact = x.astype(np.float64)
    e = eps(np.float32)
    assert_within(new["n.running_mean"], exact.mean(0), e * 1000)
    # x - mean is off by one rounding of the mean at most, which enters the variance squared
    assert_within(new["n.running_var"], exact.var(0, ddof=1), (e * 1000) ** 2 + 4 * e)


def test_a_constant_feature_and_an_empty_variance_stay_finite():
    layer = BatchNorm1d("n", 2)
    params = {name: np.full(shape, value) for name, (shape, value) in layer.arrays().items()}
    y, cache = layer.forward(params, np.full((4, 2), 0.1), step=0)
    dx, _ = layer.backward(params, cache, cotangent((4, 2), np.float64, 0))
    assert not y.any() and np.isfinite(dx).all()


def test_nan_and_infinity_stay_in_their_feature():
    layer = BatchNorm1d("n", 3)
    params = {name: np.full(shape, value) for name, (shape, value) in layer.arrays().items()}
    x = cotangent((4, 3), np.float64, 1).copy()
    x[1, 0], x[2, 1] = np.nan, np.inf
    expected = functional.batch_norm(torch.tensor(x), None, None, training=True).numpy()
    y, cache = layer.forward(params, x, step=0)
    assert (np.isnan(y) == np.isnan(expected)).all() and np.isnan(y[:, :2]).all()
    dx, grads = layer.backward(params, cache, cotangent((4, 3), np.float64, 2))
    assert np.isnan(dx[:, :2]).all() and np.isfinite(dx[:, 2]).all()
    assert np.isnan(grads["n.gamma"][:2]).all() and np.isfinite(grads["n.gamma"][2])


def test_one_image_has_a_variance_if_it_has_two_positions():
    layer = BatchNorm2d("n", 2)
    params = {name: np.full(shape, value) for name, (shape, value) in layer.arrays().items()}
    x = cotangent((1, 2, 2, 1), np.float64, 0)
    dy, one, zero = cotangent(x.shape, np.float64, 1), params["n.gamma"], params["n.beta"]
    y = loops.batch_norm_forward(rows(x), one, zero)
    agrees(layer, params, x, dy, 0, (y, *loops.batch_norm_backward(rows(dy), rows(x), one)))
    with pytest.raises(ValueError, match=r"^BatchNorm2d 'n' needs at least 2 .*, got 1; .*$"):
        layer.forward(params, x[:, :, :1], step=0)
    with pytest.raises(ValueError, match=r"^x of BatchNorm2d 'n' must have shape .*$"):
        layer.forward(params, x[0], step=0)


@pytest.mark.parametrize("batch", [0, 1])
def test_a_training_batch_without_a_variance_is_refused(batch):
    layer = BatchNorm1d("n", 2)
    params = {name: np.full(shape, value) for name, (shape, value) in layer.arrays().items()}
    with pytest.raises(ValueError, match=f"^.*needs at least 2 examples .*, got {batch}; .*$"):
        layer.forward(params, np.ones((batch, 2)), step=0)
    if batch == 1:  # as in PyTorch
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            torch.nn.BatchNorm1d(2)(torch.ones(1, 2))


def test_evaluation_has_no_running_statistics_to_give():
    layer = BatchNorm1d("n", 2)
    params = {name: np.full(shape, value) for name, (shape, value) in layer.arrays().items()}
    with pytest.raises(ValueError, match=r"^running statistics follow from a training .*; .*$"):
        layer.running(params, layer.forward(params, np.ones((3, 2)))[1])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"features": 0}, "features must lie in 1 .*, got 0; .*"),
        ({"features": 2.0}, "features must be an integer, got 2.0; .*"),
        ({"eps": -1e-5}, r"eps of BatchNorm1d must lie in \[0, inf\), got -1e-05; .*"),
        ({"momentum": 1.5}, r"momentum of BatchNorm1d must lie in \[0, 1\], got 1.5; .*"),
        ({"momentum": None}, "momentum of BatchNorm1d must be a number, got None; .*"),
    ],
)
def test_hyperparameters_out_of_range_are_refused(fields, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        BatchNorm1d("n", **{"features": 2} | fields)
