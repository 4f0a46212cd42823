"""SGD and Adam over several steps against torch.optim, and against the loops.

The gradients are given, so that a trajectory is a fixed sequence of operations. A budget carries
the error of each quantity from step to step (a running error analysis), e = 2 u covering a product
and a sum. Ours and PyTorch's may each be off by it.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minihash.files.spec import decode, encode
from minihash.hashes import Uniform
from minihash.training.averaged import Averaged
from minihash.training.optimisers import SGD, Adam
from minihash.weights import VirtualWeight
from reference import optimisers as loops
from tests.support.bounds import assert_within, eps
from tests.support.strategies import dtypes, frozen, frozen_dict, layouts

SHAPES = {"table": (5,), "norm.gamma": (2, 2), "running": (3,)}
NAMES = ["table", "norm.gamma"]

sgds = st.builds(
    SGD,
    st.sampled_from([0.5, 0.9, 0.99]),
    st.sampled_from([0.0, 1e-4, 0.1]),
    st.booleans(),
) | st.builds(SGD, weight_decay=st.sampled_from([0.0, 0.1]))
sgds |= st.builds(
    SGD,
    st.sampled_from([0.5, 0.9]),
    st.sampled_from([0.0, 0.1]),
    dampening=st.sampled_from([0.25, 0.9, 1.0]),
)
adams = st.builds(
    Adam,
    st.sampled_from([0.0, 0.5, 0.9]),
    st.sampled_from([0.5, 0.999]),
    st.sampled_from([1e-8, 1e-3]),
    st.sampled_from([0.0, 0.01]),
)
rates = st.lists(st.sampled_from([0.1, 0.01, 1e-3]), min_size=1, max_size=8)


def arrays(rng, dtype, names):
    """Random normal arrays, every other gradient entry 0 now and then."""
    return {
        name: frozen((rng.standard_normal(SHAPES[name]) * rng.integers(0, 4)).astype(dtype))
        for name in names
    }


def trajectory(optimiser, params, gradients, rates):
    """(params, state) after each step; nothing that is handed in can be written to."""
    state = frozen_dict(optimiser.init(params, NAMES))
    for grads, rate in zip(gradients, rates, strict=True):
        params, state = map(frozen_dict, optimiser.step(params, grads, state, rate))
        yield params, state


def by_torch(optimiser, params, gradients, rates):
    """The parameters after each step of torch.optim."""
    leaves = {name: torch.tensor(np.array(params[name]), requires_grad=True) for name in NAMES}
    if isinstance(optimiser, SGD):
        twin = torch.optim.SGD(
            leaves.values(),
            momentum=optimiser.momentum,
            weight_decay=optimiser.weight_decay,
            nesterov=optimiser.nesterov,
            dampening=optimiser.dampening,
        )
    else:
        twin = torch.optim.Adam(
            leaves.values(),
            betas=(optimiser.beta1, optimiser.beta2),
            eps=optimiser.eps,
            weight_decay=optimiser.weight_decay,
        )
    for grads, rate in zip(gradients, rates, strict=True):
        twin.param_groups[0]["lr"] = rate
        for name, leaf in leaves.items():
            leaf.grad = torch.tensor(np.array(grads[name]))
        twin.step()
        yield {name: leaf.detach().numpy().copy() for name, leaf in leaves.items()}


def sgd_budget(o, e, w0, gradients, rates):
    """The error of w after each step, for one parameter; follows the loops of SGD in float64."""
    w, v = np.array(w0, np.float64), np.zeros(w0.shape)
    w_error, v_error = np.zeros(w0.shape), np.zeros(w0.shape)
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True)):
        slope = g + o.weight_decay * w
        slope_error = o.weight_decay * w_error + e * (abs(g) + o.weight_decay * abs(w))
        part = 1 - o.dampening if t else 1.0
        v_error = o.momentum * v_error + part * slope_error
        v_error += e * (o.momentum * abs(v) + 2 * part * abs(slope))
        v = o.momentum * v + part * slope
        way, way_error = v, v_error
        if o.nesterov:
            way = slope + o.momentum * v
            way_error = slope_error + o.momentum * v_error
            way_error = way_error + e * (abs(slope) + o.momentum * abs(v))
        w_error = w_error + rate * way_error + e * (abs(w) + 2 * rate * abs(way))
        w = w - rate * way
        yield w_error.copy()


def adam_budget(o, e, w0, gradients, rates):
    """As `sgd_budget`. A root is off by at most sqrt(error), or error / root if that is less."""
    w, m, v = np.array(w0, np.float64), np.zeros(w0.shape), np.zeros(w0.shape)
    w_error, m_error, v_error = np.zeros(w0.shape), np.zeros(w0.shape), np.zeros(w0.shape)
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), 1):
        slope = g + o.weight_decay * w
        slope_error = o.weight_decay * w_error + e * (abs(g) + o.weight_decay * abs(w))
        m_error = o.beta1 * m_error + (1 - o.beta1) * slope_error + 2 * e * (abs(m) + abs(slope))
        m = m + (1 - o.beta1) * (slope - m)
        v_error = o.beta2 * v_error + (1 - o.beta2) * (2 * abs(slope) + slope_error) * slope_error
        v_error = v_error + 2 * e * (o.beta2 * v + slope**2)
        v = o.beta2 * v + (1 - o.beta2) * slope**2
        correction = np.sqrt(1 - o.beta2**t)
        with np.errstate(invalid="ignore", divide="ignore"):
            root_error = np.fmin(np.sqrt(v_error), v_error / np.sqrt(v))
        below = np.sqrt(v) / correction + o.eps
        below_error = root_error / correction + 2 * e * below
        least = np.maximum(below - below_error, o.eps * (1 - 2 * e))
        way = m / below
        way_error = m_error / least + abs(m) * below_error / (below * least) + 2 * e * abs(way)
        size = rate / (1 - o.beta1**t)
        w_error = w_error + size * (way_error + 2 * e * abs(way)) + e * abs(w)
        w = w - size * way
        yield w_error.copy()


@given(sgds | adams, rates, dtypes, st.integers(0, 999))
def test_a_trajectory_is_that_of_torch_optim(optimiser, rates, dtype, seed):
    rng = np.random.default_rng(seed)
    params = arrays(rng, dtype, SHAPES)
    gradients = [arrays(rng, dtype, NAMES) for _ in rates]
    budget = sgd_budget if isinstance(optimiser, SGD) else adam_budget
    errors = {
        name: budget(
            optimiser,
            eps(dtype),
            params[name],
            [g[name].astype(np.float64) for g in gradients],
            rates,
        )
        for name in NAMES
    }
    ours = trajectory(optimiser, params, gradients, rates)
    theirs = by_torch(optimiser, params, gradients, rates)
    for (new, state), expected in zip(ours, theirs, strict=True):
        assert new["running"] is params["running"]
        for name in NAMES:
            assert new[name].dtype == dtype
            assert_within(new[name], expected[name].astype(np.float64), 2 * next(errors[name]))
        assert {a.dtype for key, a in state.items() if key != "step"} <= {np.dtype(dtype)}


whole = st.lists(st.integers(-8, 8).map(float), min_size=3, max_size=3).map(np.array)


@given(
    whole,
    st.lists(whole, min_size=1, max_size=4),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0.0, 0.25]),
    st.booleans(),
    st.sampled_from([0.0, 0.25, 1.0]),
)
def test_sgd_is_the_loop_bit_for_bit_where_arithmetic_is_exact(
    w, gradients, mu, decay, nesterov, damping
):
    damping = damping if mu > 0 and not nesterov else 0.0
    optimiser = SGD(mu, decay, nesterov and mu > 0, damping)
    params, state = {"w": w}, optimiser.init({"w": w}, ["w"])
    v = np.zeros(3)
    for t, g in enumerate(gradients):
        params, state = optimiser.step(params, {"w": g}, state, 0.5)
        w, v = loops.sgd(w, g, v, 0.5, mu, decay, optimiser.nesterov, damping if t else 0.0)
        assert (params["w"] == w).all()
        assert not mu or (state["momentum.w"] == v).all()


@given(whole, st.lists(whole, min_size=1, max_size=4), adams)
def test_adam_is_the_loop(w, gradients, optimiser):
    params, state = {"w": w}, optimiser.init({"w": w}, ["w"])
    budget = adam_budget(optimiser, eps(np.float64), w, gradients, [0.1] * len(gradients))
    m, v = np.zeros(3), np.zeros(3)
    o = optimiser
    for t, g in enumerate(gradients, 1):
        params, state = optimiser.step(params, {"w": g}, state, 0.1)
        w, m, v = loops.adam(w, g, m, v, t, 0.1, o.beta1, o.beta2, o.eps, o.weight_decay)
        assert_within(params["w"], w, 2 * next(budget))
        assert state["step"].shape == () and state["step"].dtype == np.int64 and state["step"] == t


SOME = [SGD(), SGD(0.9, 0.1, True), SGD(0.9, dampening=0.9), Adam(weight_decay=0.1)]


@pytest.mark.parametrize("optimiser", SOME)
def test_layouts_and_numpy_numbers_change_nothing(optimiser):
    rng = np.random.default_rng(1)
    params, grads = arrays(rng, np.float32, NAMES), arrays(rng, np.float32, NAMES)
    state = optimiser.init(params, NAMES)
    plain, plain_state = optimiser.step(params, grads, state, 0.1)
    # a NumPy float64 is no Python float: it would make a float32 array that it multiplies float64
    fields = {key: np.float64(value) for key, value in vars(optimiser).items()}
    again, again_state = type(optimiser)(**fields).step(params, grads, state, np.float64(0.1))
    assert all(again[name].tobytes() == plain[name].tobytes() for name in NAMES)
    assert not any(np.shares_memory(plain[n], a) for n in NAMES for a in plain_state.values())
    assert all(again_state[key].tobytes() == plain_state[key].tobytes() for key in state)
    for layout in ("strided", "backwards", "byte-swapped", "fortran"):
        other = [{n: layouts(d[n])[layout] for n in NAMES} for d in (params, grads)]
        swapped, _ = optimiser.step(*other, state, 0.1)
        assert all(swapped[name].tobytes() == plain[name].tobytes() for name in NAMES), layout


def test_a_gradient_that_is_not_finite_spoils_its_own_entry_alone():
    for optimiser in (SGD(0.9), Adam()):
        w = {"w": np.ones(3, np.float32)}
        grads = {"w": np.array([np.nan, np.inf, 1], np.float32)}
        new, _ = optimiser.step(w, grads, optimiser.init(w, ["w"]), 0.1)
        assert not np.isfinite(new["w"][:2]).any() and np.isfinite(new["w"][2])


def test_in_the_long_run_a_gradient_moves_w_by_the_gain():
    """The first gradient, undamped, apart."""
    optimiser = SGD(0.5, dampening=0.75)
    w, state = {"w": np.zeros(1)}, optimiser.init({"w": np.zeros(1)}, ["w"])
    for g in (0.0, 1.0, *[0.0] * 60):
        w, state = optimiser.step(w, {"w": np.array([g])}, state, 1.0)
    assert -w["w"] == pytest.approx(optimiser.gain) == 0.5 and state["step"] == 62


W = {"w": np.ones(3)}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(momentum=-0.1), r"momentum of SGD must lie in \[0, inf\), got -0.1; .*"),
        (lambda: SGD(weight_decay="1"), "weight_decay of SGD must be a number, got '1'; .*"),
        (lambda: SGD(nesterov=True), "Nesterov's step needs a momentum, got 0; .*"),
        (lambda: SGD(0.9, dampening=1.1), r"dampening of SGD must lie in \[0, 1\], got 1.1; .*"),
        (lambda: SGD(dampening=0.9), "dampening needs a momentum .*, got momentum 0.*; .*"),
        (lambda: SGD(0.9, 0, True, 0.9), "dampening needs .*, nesterov True; .*"),
        (
            lambda: SGD(0.9, dampening=0.9).step(W, W, {}, 0.1),
            "the state of a damped SGD has no step; .*",
        ),
        (lambda: Adam(beta1=1.0), r"beta1 of Adam must lie in \[0, 1\), got 1.0; .*"),
        (lambda: Adam(eps=float("nan")), r"eps of Adam must lie in \[0, inf\), got nan; .*"),
        (
            lambda: SGD().step(W, {"v": np.ones(3)}, {}, 0.1),
            r"params must hold an array 'v', .*; .*",
        ),
        (
            lambda: SGD().step(W, {"w": np.ones(4)}, {}, 0.1),
            r"the gradient of 'w' must have shape \(3,\), got \(4,\); .*",
        ),
        (
            lambda: SGD().step(W, {"w": np.ones(3, np.float32)}, {}, 0.1),
            "the gradient of 'w' must be float64 .*, got float32; .*",
        ),
        (lambda: SGD(0.9).step(W, W, {}, 0.1), r".*must hold an array 'momentum.w', got none; .*"),
        (lambda: Adam().step(W, W, {}, 0.1), "Adam's state is for nothing, got gradients of w; .*"),
        (lambda: SGD(0.9).init(W, ["v"]), r"params must hold an array 'v', got w; .*"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(make, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        make()


def test_mean_gradients_are_the_sums_over_the_loads_of_all_readers():
    shared = Uniform(5, seed=3, signed=True)
    weights = VirtualWeight((4, 3), shared), VirtualWeight((7,), shared, first_id=12)
    load = np.bincount(shared.bucket(np.arange(19)), minlength=5)
    rng = np.random.default_rng(0)
    params = {"table": rng.normal(size=5), "bias": rng.normal(size=2)}
    grads = {"table": rng.normal(size=5), "bias": rng.normal(size=2)}
    inner = SGD(momentum=0.5)
    optimiser = Averaged(inner, weights)
    state = optimiser.init(params, ["table", "bias"])
    found, after = optimiser.step(params, grads, state, 0.25)
    means = {"table": grads["table"] / np.maximum(load, 1), "bias": grads["bias"]}
    right, memory = inner.step(params, means, state, 0.25)
    for name in params:
        np.testing.assert_array_equal(found[name], right[name])
    assert {n: a.tolist() for n, a in after.items()} == {n: a.tolist() for n, a in memory.items()}
    assert decode(encode(optimiser, {}), {}) == optimiser
    for wrong in ((inner, [weights[0]]), (inner, ("table",)), ("sgd", weights)):
        with pytest.raises(TypeError, match="Averaged needs"):
            Averaged(*wrong)
