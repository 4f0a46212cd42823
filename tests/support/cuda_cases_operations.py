"""The cases of the GPU backend beyond virtual weights: entries, sums, convolution and recurrence.
`test_cuda.py` runs this file as it runs cuda_cases.py.

On integers everything is the normative backend's, bit for bit; a recurrent cell of real numbers is
within the balls of recurrent_balls.py. Each mutant must fail the check that is named beside it.
"""

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from minihash import core
from minihash.compile.body import bound
from minihash.compile.reals import choose, exp, expm1, larger, one, size, smaller, tanh, zero
from minihash.core import cuda as cuda_backend
from minihash.core import numpy as numpy_backend
from minihash.core.cuda import cells, device, entries, images, recurrence
from minihash.core.cuda import kernels as cuda_kernels
from minihash.hashes import Uniform
from minihash.hashes.windows import Windows
from minihash.layers import LSTM, RNN
from minihash.weights import VirtualWeight
from reference.recurrent_balls import recurrent as balls
from tests.support import cuda_support
from tests.support.cuda_support import (
    ANY,
    FAILURES,
    FLOATS,
    SIMULATED,
    SMALL,
    Leaky,
    all_same,
    mutated,
    same,
    small_blocks,  # noqa: F401
    use_kernels,
    whole,
)
from tests.support.recurrent_cases import by_layer, example, in_float64, tables_from_weights

# The simulator computes in NumPy scalars, which warn where a GPU does not.
pytestmark = [
    pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:divide by zero encountered:RuntimeWarning"),
]


# Checks: each takes the backend, or the part of it that a mutant changes.


def check_column_sum(backend: ModuleType = cuda_backend, dtype=np.float32) -> None:
    """In float64: the ones would be lost beside 2^24."""
    dy = np.array([[2.0**24, 1], [1, 2], [1, 3], [-(2.0**24), -9]], dtype)
    same(backend.column_sum(dy), np.array([2, -3], dtype))
    dy = whole(5, 19, dtype=dtype)
    same(backend.column_sum(dy), numpy_backend.column_sum(dy))


def check_bias(backend: ModuleType = cuda_backend, dtype=np.float32) -> None:
    w = VirtualWeight((5, 4), Uniform(6, signed=True))
    x, table, b = (whole(*shape, dtype=dtype) for shape in ((3, 4), (6,), (5,)))
    same(backend.matmul(x, table, w, b), numpy_backend.matmul(x, table, w, b))


def check_add(backend: ModuleType = cuda_backend, dtype=np.float32) -> None:
    one, other = whole(19, dtype=dtype), whole(19, dtype=dtype)
    same(backend.add(one, other), one + other)


def exponentials(x, z):
    return tanh(x) + exp(-size(z)) * expm1(smaller(x, zero)) - larger(x, z)


def pieces(x, z):
    return choose(x > z, larger(x, zero) * z - one, smaller(x, z) + size(x * x))


def check_each(part: ModuleType = entries, dtype=np.float32) -> None:
    """In a shape of its own; of real numbers, each function within 4 roundings and so the sum."""
    x, z = whole(3, 7, dtype=dtype), whole(3, 7, dtype=dtype)
    same(part.each(pieces, x, z), numpy_backend.each(pieces, x, z))
    same(part.each(lambda x: x, x), x)
    x, z = (ANY.normal(0, 2, 40).astype(dtype) for _ in range(2))
    y, right = part.each(exponentials, x, z), numpy_backend.each(exponentials, x, z)
    assert y.dtype == dtype
    assert (abs(y - right) <= 30 * np.finfo(dtype).eps * (3 + abs(x) + abs(z))).all()
    special = np.array([np.nan, np.inf, -np.inf, 0, 1], dtype)
    x, z = (a.copy() for a in np.broadcast_arrays(special[:, None], special))
    with np.errstate(invalid="ignore"):
        for body in (exponentials, pieces, lambda x, z: smaller(x, z), lambda x, z: larger(x, z)):
            np.testing.assert_array_equal(part.each(body, x, z), numpy_backend.each(body, x, z))


def check_each_of_cells(part: ModuleType = cells) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "cells", part)
        check_each()


def check_normalise(part: ModuleType = entries, dtype=np.float32) -> None:
    """Features that are mean + d or mean - d, d a power of 2, as often: nothing is rounded. Real
    ones: the sums are in float64, and what follows has some ten roundings."""
    for shape in ((4, 19), (2, 3, 2), (1, 2, 2, 4)):
        features = shape[1]
        mean, d = ANY.integers(-9, 10, features), 2.0 ** ANY.integers(0, 3, features)
        ones = np.ones((int(np.prod(shape)) // features, features))
        ones[::2] = -1
        x = np.moveaxis((mean + d * ones).reshape(shape[0], *shape[2:], features), -1, 1)
        x, dy = np.ascontiguousarray(x, dtype), whole(*shape, dtype=dtype)
        gamma, beta = (whole(features, dtype=dtype) for _ in range(2))
        known = tuple(np.array([mean + 1, 4 * d * d]))
        for statistics in (None, known):
            ours = part.normalise(x, gamma, beta, 0.0, statistics)
            all_same(ours, numpy_backend.normalise(x, gamma, beta, 0.0, statistics))
            back = dy, *ours[1:2], gamma, ours[2], statistics is not None
            all_same(part.normalise_backward(*back), numpy_backend.normalise_backward(*back))
    x = (1000 + ANY.standard_normal((50, 3))).astype(dtype)
    one, zero, e = np.ones(3, dtype), np.zeros(3, dtype), np.finfo(dtype).eps
    ours, right = (of.normalise(x, one, zero, 0.1, None) for of in (part, numpy_backend))
    np.testing.assert_allclose(ours[3], right[3], 1e-13)
    np.testing.assert_allclose(ours[4], right[4], 1e-10)
    for got, wanted in zip(ours[:3], right[:3], strict=True):
        assert (abs(got - wanted) <= 8 * e * (1 + abs(wanted))).all()


def check_normalise_not_finite() -> None:
    """What is not finite stays in its feature; one without a variance, and nothing at all."""
    x = ANY.standard_normal((6, 4)).astype(np.float32)
    x[1, 0], x[2, 1], x[:, 2] = np.nan, np.inf, 7
    one, zero = np.ones(4, np.float32), np.zeros(4, np.float32)
    y, x_hat, r, *_ = entries.normalise(x, one, zero, 0.0, None)
    assert (np.isnan(y).any(0) == [True, True, True, False]).all()
    assert np.isinf(r[2])
    dx, dgamma, _ = entries.normalise_backward(x, x_hat, one, r, False)
    assert (np.isnan(dx).any(0) == np.isnan(dgamma)).all()
    empty = x[:0]
    y, _, r, mean, _ = entries.normalise(empty, one, zero, 0.1, None)
    assert y.shape == (0, 4)
    assert np.isnan([mean, r]).all()
    all_same(entries.normalise_backward(empty, empty, one, one, False), (empty, zero, zero))


CONVOLUTIONS = [  # windows, size of the image, groups, channels and output channels of a group
    (Windows((2, 3), stride=(1, 2), padding=1), (4, 5), 1, 2, 3),
    (Windows((3, 2), (2, 1), (1, 2), (1, 3)), (5, 3), 2, 2, 1),
]


def check_convolution(backend: ModuleType = images, dtype=np.float32) -> None:
    for windows, image, groups, inner, outer in CONVOLUTIONS:
        x, K = (
            whole(*shape, *sizes, dtype=dtype)
            for shape, sizes in (
                ((2, groups * inner), image),
                ((groups * outer, inner), windows.kernel),
            )
        )
        for B in (whole(len(K), dtype=dtype), None):
            y = numpy_backend.convolve(x, K, B, windows, groups)
            same(backend.convolve(x, K, B, windows, groups), y)
            dy, geometry = whole(*y.shape, dtype=dtype), (B is not None, windows, groups)
            ours = backend.convolve_backward(dy, x, K, *geometry)
            all_same(ours, numpy_backend.convolve_backward(dy, x, K, *geometry))


def check_recurrence(backend: ModuleType = recurrence, dtype=np.float32, lengths=(3, 1)) -> None:
    """Cells of integers; sequences that end, with NaN in the padding; gradients cut off."""
    for layer in (
        RNN.plain("r", 3, 2, truncate=2, nonlinearity="relu"),
        Leaky.plain("r", 3, 2),
        Leaky.plain("r", 3, 2, bias=False, truncate=1),
    ):
        weights = tuple(w and whole(*w.shape, dtype=dtype, most=2) for w in layer._named())
        x, dy = whole(2, 3, 3, dtype=dtype, most=2), whole(2, 3, 2, dtype=dtype, most=2)
        start, final = (
            tuple(whole(2, 2, dtype=dtype, most=2) for _ in range(layer.states)) for _ in range(2)
        )
        ends = np.array(lengths)
        for b, end in enumerate(ends):
            x[b, end:] = dy[b, end:] = np.nan
        inputs = x, start, ends, weights
        *ours, tape = backend.recur(layer, *inputs)
        *theirs, their_tape = numpy_backend.recur(layer, *inputs)
        all_same(ours, theirs)
        expected = numpy_backend.recur_backward(layer, their_tape, dy, final)
        all_same(backend.recur_backward(layer, tape, dy, final), expected)


def check_cells(part: ModuleType = cells) -> None:
    """What is compiled of cells, in `recur`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recurrence, "cells", part)
        check_nan()
        check_reals("lstm")
        check_recurrence()


def check_nan() -> None:
    """It goes through a ReLU, and to no other sequence."""
    layer = RNN.plain("r", 3, 2, bias=False, nonlinearity="relu")
    x, weights = whole(2, 3, 3), (*(whole(*w.shape) for w in layer.weights()), None, None)
    x[1, 1] = np.nan
    inputs = x, (whole(2, 2),), np.array([3, 3]), weights
    y = recurrence.recur(layer, *inputs)[0]
    assert np.isnan(y[1, 1:]).all()
    np.testing.assert_array_equal(y, numpy_backend.recur(layer, *inputs)[0])


def check_infinity(backend: ModuleType = cuda_backend) -> None:
    """One in V_hh changes nothing beyond the end of a sequence, not even to 0 times itself."""
    layer = RNN.plain("r", 1, 2, bias=False, nonlinearity="relu")
    V_hh = np.array([[np.inf, 1], [1, 1]], np.float32)
    x, ones = np.ones((1, 3, 1), np.float32), np.ones((1, 2), np.float32)
    inputs = x, (ones,), np.array([1]), (np.ones((2, 1), np.float32), V_hh, None, None)
    tape = backend.recur(layer, *inputs)[2]
    dx = backend.recur_backward(layer, tape, np.ones((1, 3, 2), np.float32), (ones,))[0]
    same(dx, np.array([[[4], [0], [0]]], np.float32))


def check_reals(kind: str, dtype=np.float32) -> None:
    """Within the balls of the dtype and of the float64 that is taken for exact."""
    case = example(kind, dtype, batch=2, length=3, features=2, hidden=2)
    with core.use("cuda"):
        found = by_layer(case)
    in_64 = {name: table.astype(np.float64) for name, table in case.params.items()}
    wide = [[s.astype(np.float64) for s in states] for states in (case.state, case.dstate)]
    x, dy = case.x.astype(np.float64), case.dy.astype(np.float64)
    exact = replace(case, params=in_64, x=x, dy=dy, state=wide[0], dstate=wide[1])
    with core.use("numpy"):
        expected = by_layer(exact)
    radius = dict.fromkeys(expected, 0)
    for real in (dtype, np.float64):
        u = float(np.finfo(real).eps) / 2
        around = tables_from_weights(case, balls(kind, *in_float64(case), u))
        assert around.keys() == radius.keys()
        radius = {name: radius[name] + ball.rad for name, ball in around.items()}
    for name, result in found.items():
        assert result.dtype == dtype
        assert (abs(result - expected[name]) <= radius[name]).all(), name


CHECKS = check_column_sum, check_bias, check_add, check_each, check_normalise
CHECKS += check_convolution, check_recurrence


# Tests.


@pytest.mark.parametrize("dtype", FLOATS)
def test_operations(dtype):
    for check in CHECKS:
        check(dtype=dtype)


def test_normalisation_of_what_is_not_finite_or_not_there():
    check_normalise_not_finite()


@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm"])
def test_cells(kind):
    check_reals(kind)
    check_reals(kind, np.float64)


def test_blocks_too_many(monkeypatch):
    monkeypatch.setattr(device, "fewest_blocks", lambda: 3)
    for check in CHECKS:
        check()


def test_fewer_blocks_than_elements(monkeypatch):
    monkeypatch.setattr(device, "MOST_BLOCKS", 1)
    for check in CHECKS:
        check()


def test_padding_meets_infinities_as_in_numpy():
    """x is 0 outside the image, and 0 times an infinity is NaN."""
    windows = Windows((2, 2), padding=1)
    x, K = whole(1, 1, 2, 2), np.array([[[[np.inf, 1], [2, -np.inf]]]], np.float32)
    y = numpy_backend.convolve(x, K, None, windows, 1)
    np.testing.assert_array_equal(images.convolve(x, K, None, windows, 1), y)
    dy = whole(*y.shape)
    dy[0, 0, 0, 0] = np.inf
    ours = images.convolve_backward(dy, x, K, True, windows, 1)
    expected = numpy_backend.convolve_backward(dy, x, K, True, windows, 1)
    for got, right in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(got, right)


def test_real_convolution():
    """Within gamma_n of sums of n terms, each a product."""
    windows, size, groups, inner, outer = CONVOLUTIONS[1]
    x, K = (
        ANY.standard_normal(shape).astype(np.float32)
        for shape in ((2, groups * inner, *size), (groups * outer, inner, *windows.kernel))
    )
    y = images.convolve(x, K, None, windows, groups)
    dy = ANY.standard_normal(y.shape).astype(np.float32)
    found = y, *images.convolve_backward(dy, x, K, True, windows, groups)
    wide = [a.astype(np.float64) for a in (x, K, dy)]
    results = []
    for x, K, dy in (wide, [abs(a) for a in wide]):
        y = numpy_backend.convolve(x, K, None, windows, groups)
        results.append((y, *numpy_backend.convolve_backward(dy, x, K, True, windows, groups)))
    nu = (K.size + dy.size) * 2.0**-24  # no sum has more terms
    for got, exact, total in zip(found, *results, strict=True):
        assert (abs(got - exact) <= nu / (1 - nu) * total).all()


def test_not_finite():
    check_nan()
    check_infinity(cuda_backend)
    check_infinity(numpy_backend)


def test_empty_batches():
    windows = CONVOLUTIONS[0][0]
    x, K = whole(0, 2, 4, 5), whole(3, 2, 2, 3)
    y = images.convolve(x, K, None, windows, 1)
    same(y, numpy_backend.convolve(x, K, None, windows, 1))
    ours = images.convolve_backward(y, x, K, True, windows, 1)
    all_same(ours, numpy_backend.convolve_backward(y, x, K, True, windows, 1))
    layer, none = LSTM.plain("r", 3, 2), np.zeros(0, np.intp)
    weights = tuple(whole(*w.shape) for w in layer.weights())
    y, final, tape = recurrence.recur(layer, whole(0, 4, 3), (whole(0, 2),) * 2, none, weights)
    assert y.shape == (0, 4, 2)
    assert [s.shape for s in final] == [(0, 2)] * 2
    dx, dstate, dweights = recurrence.recur_backward(layer, tape, y, final)
    assert dx.shape == (0, 4, 3)
    assert [s.shape for s in dstate] == [(0, 2)] * 2
    all_same(dweights, [np.zeros(w.shape, np.float32) for w in layer.weights()])


def test_a_step_written_anew_is_compiled_anew():
    for slope in (0.5, 0.25, 0.5):
        sigmoid = bound(cuda_support.sigmoid, "sigmoid", slope=slope)

        class Again(Leaky):
            step = staticmethod(bound(cuda_support.step, "step", sigmoid=sigmoid))

        layer = Again.plain("r", 3, 2)
        weights = tuple(whole(*w.shape, most=2) for w in layer.weights())
        inputs = whole(2, 3, 3, most=2), (whole(2, 2, most=2),) * 2, np.array([3, 3]), weights
        same(recurrence.recur(layer, *inputs)[0], numpy_backend.recur(layer, *inputs)[0])


def test_a_step_that_is_no_plain_function_is_refused():
    offset = 1.0

    class Closed(RNN):
        @property
        def step(self):
            return lambda a, r, state: ((a[0] + r[0] + offset,), ())

    layer = Closed.plain("r", 3, 2)
    weights = tuple(whole(*w.shape) for w in layer.weights())
    with pytest.raises(TypeError, match="must be plain functions, got <function"):
        recurrence.recur(layer, whole(2, 3, 3), (whole(2, 2),), np.array([3, 3]), weights)


MUTANTS = [  # of which module, what is mutated, what it becomes, the check that must fail
    (cuda_kernels, "total = np.float64(0)", "total = real(0)", check_column_sum),
    (cuda_kernels, "(r * sums.size + c) * inner", "(c * rows + r) * inner", check_column_sum),
    (cuda_kernels, "b[k % b.size]", "b[k // b.size]", check_bias),
    (cuda_kernels, "one[k] + other[k]", "one[k]", check_add),
    (cuda_kernels, "if t < ends[i // hidden]:", "if True:", check_infinity),
    (cuda_kernels, "ends[i // hidden]", "ends[i % hidden]", check_recurrence),
    (cuda_kernels, "dstate[i] += v", "dstate[i] = v", check_recurrence),
    (cuda_kernels, "target[start + k]", "target[k]", check_recurrence),
    (cuda_kernels, "i = a[0] + (m0", "i = (m0", check_recurrence),
    (images, "if inside else real(0)", "if q0 >= 0 and q1 >= 0 else real(0)", check_convolution),
    (images, "x, b, first + c", "x, b, c", check_convolution),
    (images, "q1 = p1 * stride[1]", "q1 = p1 * stride[0]", check_convolution),
    (images, "total + B[o]", "total", check_convolution),
    (images, "s0 % stride[0] == 0 and", "", check_convolution),
    (images, "c // K.shape[1], c %", "0, c %", check_convolution),
    (images, "total += K[o, inner, t0, t1]", "total = K[o, inner, t0, t1]", check_convolution),
    (images, "s1 = q1 + padding[1]", "s1 = q1 - padding[1]", check_convolution),
    (images, "batch, channels, height * width", "1, channels, height * width", check_convolution),
    (recurrence, "if row % length < ends[row // length]:", "if True:", check_recurrence),
    (recurrence, "write_state(before, at,", "write_state(before, i,", check_recurrence),
    (recurrence, "write_kept(kept, at,", "write_kept(kept, i,", check_recurrence),
    (
        recurrence,
        "state = read_state(now, i, plane)\n",
        "state = read_state(now, i, 0)\n",
        check_recurrence,
    ),
    (
        recurrence,
        "of_h = gates(r, b * width + c,",
        "of_h = gates(r, row * width + c,",
        check_recurrence,
    ),
    (recurrence, "dstate[i] += dy[at]", "pass", check_recurrence),
    (recurrence, "dstate[k] = 0", "dstate[i] = 0", check_recurrence),
    (recurrence, "if not cut:", "if True:", check_recurrence),
    (recurrence, "t % cell.truncate == 0", "t % cell.truncate == 1", check_recurrence),
    (cells, "a[i] + b[k]", "a[i]", check_cells),
    (cells, "k + stride, stride)", "k, stride)", check_cells),
    (cells, "values[1:]", "values", check_cells),
    (cells, "x if x > y or x != x else y", "y if x > y or x != x else x", check_cells),
    (cells, "return x if condition else y", "return y if condition else x", check_cells),
    (cells, "real(math.tanh(x))", "real(math.sin(x))", check_cells),
    (cells, "x > y or x != x ", "x > y ", check_cells),
    (cells, "x < y or x != x ", "x < y ", check_each_of_cells),
    (cells, "x if x < y", "y if x < y", check_each_of_cells),
    (cells, "math.exp(x)", "math.exp(-x)", check_each_of_cells),
    (cells, "math.expm1(x)", "math.exp(x)", check_each_of_cells),
    (cells, "return abs(x)", "return x", check_each_of_cells),
    (entries, "body(x[k], z[k])", "body(z[k], x[k])", check_each),
    (entries, "np.float64(0)\n            for", "real(0)\n            for", check_normalise),
    (
        entries,
        "d = np.float64(x[(row * r.size + c)",
        "d = np.float64(x[row * r.size",
        check_normalise,
    ),
    (entries, "var[c] = total / n", "var[c] = total", check_normalise),
    (entries, "if not known:\n            total", "if True:\n            total", check_normalise),
    (
        entries,
        "c = k // inner % r.size\n        x_hat",
        "c = k % r.size\n        x_hat",
        check_normalise,
    ),
    (entries, "+ beta[c]", "", check_normalise),
    (entries, "of_gamma / n", "of_gamma", check_normalise),
    (entries, "share[r.size + c]", "share[c]", check_normalise),
    (entries, "if not known:\n            d", "if True:\n            d", check_normalise),
    (entries, "d * (gamma[c] * r[c])", "d * r[c]", check_normalise),
]


@pytest.mark.skipif(not SIMULATED, reason="what a mutant does on a GPU is undefined")
@pytest.mark.parametrize("part, old, new, check", MUTANTS)
def test_mutants_fail(part, old, new, check, monkeypatch):
    if part is cuda_kernels:
        use_kernels(monkeypatch, mutated(part, SMALL | {old: new}))
        part = cuda_backend
    else:
        part = mutated(part, {old: new})
    with pytest.raises(FAILURES):
        check(part)
