"""Penalties against the loops and PyTorch; proximal steps against the minimum that they are."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minihash.hashes import Identity, Lookup, Modulus, Uniform
from minihash.training import Training
from minihash.training.penalties import L1, L2, GroupLasso, SoftTie, WeightDecay
from minihash.weights import VirtualWeight
from reference import penalties as loops
from tests.support.bounds import assert_within, eps, gamma
from tests.support.strategies import dtypes, frozen, real

strengths = st.sampled_from([0.0, 0.25, 0.5, 1.0, 3.0])
rates = st.sampled_from([0.125, 0.5, 1.0])
tables = st.integers(1, 12)
U64 = eps(np.float64)


def exactly_near(found, expected, size, roundings):
    """Within so many roundings of a result of this size, in its dtype and in the oracle's."""
    both = gamma(roundings, eps(np.asarray(found).dtype)) + gamma(roundings, U64)
    assert_within(found, expected, both * size + np.finfo(np.asarray(found).dtype).tiny)


def magnitude(*arrays):
    return sum(np.abs(np.asarray(a, np.float64)) for a in arrays)


# Values, gradients, proximal steps: equal to the loops'.


@given(st.data(), tables, dtypes, strengths, rates)
def test_l2_and_weight_decay(data, n, dtype, strength, rate):
    w, after = data.draw(real((n,), dtype)), data.draw(real((n,), dtype))
    penalty, params = L2(strength, ("W",)), {"W": w, "other": after}
    value, gradients = penalty.value(params), penalty.gradients(params)
    exactly_near(value, loops.l2(w, strength), magnitude(value), 2 * n + 8)
    assert list(gradients) == ["W"] and gradients["W"].dtype == dtype
    expected = loops.l2_gradient(w, strength)
    exactly_near(gradients["W"], expected, magnitude(expected), 2)
    leaf = torch.tensor(np.array(w, np.float64), requires_grad=True)
    (strength / 2 * leaf.square().sum()).backward()
    exactly_near(gradients["W"], leaf.grad.numpy(), magnitude(expected), 4)
    assert penalty.shrink(params, params, rate) == {}
    decay = WeightDecay(strength, ("W",))
    assert decay.gradients(params) == {} and decay.value(params) == 0
    new = decay.shrink({"W": w}, {"W": after}, rate)["W"]
    assert new.dtype == dtype
    size = magnitude(after, rate * strength * w.astype(float))
    exactly_near(new, loops.decayed(w, after, rate, strength), size, 4)


@given(st.data(), tables, dtypes, strengths, rates)
def test_l1(data, n, dtype, strength, rate):
    w = data.draw(real((n,), dtype))
    penalty = L1(strength, ("W",))
    value = penalty.value({"W": w})
    exactly_near(value, loops.l1(w, strength), magnitude(value), n + 8)
    assert penalty.gradients({"W": w}) == {}
    new = penalty.shrink({}, {"W": w}, rate)["W"]
    assert new.dtype == dtype
    expected = loops.l1_prox(w, rate, strength)
    exactly_near(new, expected, magnitude(w, rate * strength), 3)
    assert (new[np.abs(w) <= rate * strength] == 0).all()  # exactly
    assert (np.sign(new) * np.sign(w) >= 0).all()


@st.composite
def grouped(draw):
    """(weight, groups): rows of a table, its columns, or any groups of any sizes."""
    kind = draw(st.sampled_from(["rows", "columns", "any", "part"]))
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    numbers = np.arange(rows * columns).reshape(rows, columns)
    plain = VirtualWeight((rows, columns), Identity(rows * columns + 2), "W")
    if kind == "rows":
        return plain, numbers.tolist()
    if kind == "columns":
        return plain.T, numbers.T.tolist()
    if kind == "part":  # a view of the end of the table
        return VirtualWeight((rows, columns), plain.hash, "W", 2), (numbers + 2).tolist()
    order = np.array(draw(st.permutations(range(rows * columns)))).reshape(rows, columns)
    sizes = [draw(st.integers(1, columns)) for _ in range(rows)]
    signs = np.array([[int(c < size) for c in range(columns)] for size in sizes])
    hash_ = Lookup(rows * columns + 2, order.reshape(-1), signs.reshape(-1))
    groups = [row[:size].tolist() for row, size in zip(order, sizes, strict=True)]
    return VirtualWeight((rows, columns), hash_, "W"), groups


@given(st.data(), grouped(), dtypes, strengths, rates)
def test_group_lasso(data, case, dtype, strength, rate):
    weight, groups = case
    w = data.draw(real((weight.hash.buckets,), dtype))
    penalty = GroupLasso(strength, weight)
    value, terms = penalty.value({"W": w}), 4 * w.size + 16
    exactly_near(value, loops.group_lasso(w, groups, strength), magnitude(value), terms)
    assert penalty.gradients({"W": w}) == {} and penalty.names == ("W",)
    new = penalty.shrink({}, {"W": w}, rate)["W"]
    assert new.dtype == dtype
    norms = [np.sqrt(sum(float(w[k]) ** 2 for k in group)) for group in groups]
    least = [rate * strength * np.sqrt(len(group)) for group in groups]
    expected = loops.group_lasso_prox(w, groups, rate, strength)
    for k, (norm, most) in enumerate(zip(norms, least, strict=True)):
        inside = groups[k]
        if norm < most * (1 - 64 * U64) or norm == 0:
            assert (new[inside] == 0).all()  # exactly
        elif norm > most * (1 + 64 * U64):
            # w - w least / norm: the quotient has half the roundings of a sum of squares, and more
            exactly_near(new[inside], expected[inside], magnitude(w[inside]), terms)
    outside = np.setdiff1d(np.arange(w.size), [k for group in groups for k in group])
    np.testing.assert_array_equal(new[outside], w[outside])


@given(st.data(), tables, dtypes, strengths)
def test_soft_tie(data, n, dtype, strength):
    a, b = data.draw(real((n,), dtype)), data.draw(real((n,), dtype))
    penalty, params = SoftTie(strength, ("a", "b")), {"a": a, "b": b}
    penalty.check(params)
    value, gradients = penalty.value(params), penalty.gradients(params)
    size = loops.squared_distance(magnitude(a), -magnitude(b), strength)
    assert abs(value - loops.squared_distance(a, b, strength)) <= size * (
        gamma(8, eps(dtype)) + gamma(2 * n + 8, U64)
    )
    leaves = [torch.tensor(np.array(x, np.float64), requires_grad=True) for x in (a, b)]
    (strength / 2 * (leaves[0] - leaves[1]).square().sum()).backward()
    loop = loops.squared_distance_gradient(a, b, strength)
    for name, leaf, expected in zip("ab", leaves, loop, strict=True):
        assert gradients[name].dtype == dtype
        for oracle in (expected, leaf.grad.numpy()):
            exactly_near(gradients[name], oracle, strength * magnitude(a, b), 4)
    assert penalty.shrink(params, params, 1.0) == {}


PROXIMAL = {
    "L1": L1(0.5, ("W",)),
    "rows": GroupLasso(0.5, VirtualWeight((2, 3), Identity(6), "W")),
    "columns": GroupLasso(0.5, VirtualWeight((2, 3), Identity(6), "W").T),
}


@pytest.mark.parametrize("name", PROXIMAL)
@given(v=real((6,), np.float64, 2.0), rate=rates, seed=st.integers(0, 2**32 - 1))
def test_a_proximal_step_is_the_minimum_of_its_definition(name, v, rate, seed):
    """w minimises F(w) = |w - v|^2 / 2 + rate P(w), which is 1-convex: F(u) >= F(w) + |u - w|^2 / 2
    for every u. Rounding of w by e costs no more than e times the slope, (|w - v| + rate |dP|)."""
    penalty = PROXIMAL[name]

    def F(w):
        return np.square(w - v).sum() / 2 + rate * penalty.value({"W": w})

    w = penalty.shrink({}, {"W": v}, rate)["W"]
    rng = np.random.default_rng(seed)
    others = [
        w + rng.standard_normal(6) * scale for scale in (1, 0.1, 1e-3, 1e-5) for _ in range(3)
    ]
    others += [
        np.zeros(6),
        v,
        *(w + 0.01 * e for e in np.eye(6)),
        *(w - 0.01 * e for e in np.eye(6)),
    ]
    for u in others:
        slack = 64 * U64 * (F(w) + F(u) + 1 + np.abs(v).sum())
        assert F(u) + slack >= F(w) + np.square(u - w).sum() / 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_so_and_does_not_spread(bad):
    table = np.array([bad, 1.0, 2.0, 3.0])
    for penalty in (L1(0.5, ("W",)), GroupLasso(0.1, VirtualWeight((2, 2), Identity(4), "W"))):
        new = penalty.shrink({}, {"W": table}, 1.0)["W"]
        assert not np.isfinite(new[0]) and np.isfinite(new[2:]).all()


def test_inputs_are_not_written():
    table = frozen(np.arange(-3.0, 3.0))
    for penalty in (L2(1.0, ("W",)), WeightDecay(1.0, ("W",)), *PROXIMAL.values()):
        arrays = penalty.gradients({"W": table}) | penalty.shrink({"W": table}, {"W": table}, 1.0)
        assert all(not np.shares_memory(array, table) for array in arrays.values())
        assert np.isfinite(penalty.value({"W": table}))


# Refusals.

W = VirtualWeight((3, 5), Identity(15), "W")
HEAD = VirtualWeight((3,), Identity(3), "b")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: L1(-1.0, ("W",)), ValueError, r"strength of L1 must lie in \[0, "),
        (lambda: L2(np.nan, ("W",)), ValueError, "strength of L2 must lie"),
        (lambda: L2("1", ("W",)), TypeError, "strength of L2 must be a number"),
        (lambda: L1(1.0, "W"), TypeError, "tables of L1 must be a tuple of names, got 'W'; "),
        (lambda: WeightDecay(1.0, (1,)), TypeError, "tables of WeightDecay must be"),
        (lambda: SoftTie(1.0, ("a",)), ValueError, "SoftTie must have two different tables"),
        (lambda: SoftTie(1.0, ("a", "a")), ValueError, "SoftTie must have two different tables"),
        (lambda: GroupLasso(-1.0, W), ValueError, "strength of GroupLasso must lie"),
        (lambda: GroupLasso(1.0, "W"), TypeError, "weight of GroupLasso must be a VirtualWeight"),
        (lambda: GroupLasso(1.0, HEAD), ValueError, r"shape \(groups, entries\), got \(3,\)"),
        (
            lambda: GroupLasso(1.0, VirtualWeight((2, 3), Modulus(5), "W")).least,
            ValueError,
            "no entry of the table 'W' may be in two groups, as it is under Modulus; ",
        ),
        (
            lambda: GroupLasso(1.0, VirtualWeight((9, 9), Uniform(90), "W")).check(
                {"W": np.ones(90)}
            ),
            ValueError,
            "no entry of the table 'W' may be in two groups, as it is under Uniform; ",
        ),
        (
            lambda: GroupLasso(1.0, VirtualWeight((4, 4), Identity(15), "W")),
            ValueError,
            "needs identifiers up to 15, but Identity is defined up to 14; ",
        ),
        (
            lambda: Training(penalties=(0.1,)),
            TypeError,
            "penalties must be of minihash.training.penalties",
        ),
    ],
)
def test_what_is_no_penalty_is_refused(make, error, message):
    with pytest.raises(error, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_an_entry_in_two_groups_is_found_however_far_they_are_from_each_other():
    size = 2**18 + 7  # the last identifiers, alone in their block, are those of the first
    hash_ = Lookup(size - 1, np.arange(size) % (size - 1))
    with pytest.raises(ValueError, match="may be in two groups, as it is under Lookup"):
        GroupLasso(1.0, VirtualWeight((size, 1), hash_, "W")).check({"W": np.ones(size - 1)})
    GroupLasso(1.0, VirtualWeight((size - 1, 1), hash_, "W")).check({"W": np.ones(size - 1)})
