"""Affinity propagation: the loops, scikit-learn where nothing ties, and what has to be told."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import AffinityPropagation

from minihash.sharing.affinity import TILT, affinity_propagation
from reference import affinity as loops


def similarities(rng, n, preference):
    """Of random rows: symmetric, so that many pairs prefer each other alike."""
    return np.array(loops.similarities(rng.standard_normal((n, 3)), preference))


def net(S, of):
    """What the clusters are worth: the sum of what each point has from its exemplar."""
    return S[np.arange(len(S)), of].sum()


@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.sampled_from([0.3, 0.6, 0.8]))
def test_it_is_the_loop(seed, n, preference):
    S = similarities(np.random.default_rng(seed), n, preference)
    expected = loops.propagate(S, 0.5, 15, 300, TILT)
    if expected is None:
        with pytest.raises(ValueError, match="still changes after 300 rounds"):
            affinity_propagation(S, rounds=300)
    else:
        assert affinity_propagation(S, rounds=300).tolist() == expected


def theirs(S):
    """scikit-learn's exemplars, or None where it warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = AffinityPropagation(
            affinity="precomputed", preference=np.diag(S).copy(), max_iter=1000, random_state=0
        )
        try:
            found.fit(S)
        except (UserWarning, RuntimeWarning):
            return None
        return found.cluster_centers_indices_[found.labels_]


def test_it_is_scikit_learns_where_nothing_ties():
    rng, compared = np.random.default_rng(0), 0
    for _ in range(40):
        n = int(rng.integers(3, 40))
        S = similarities(rng, n, 0.6) + 0.1 * rng.standard_normal((n, n))
        expected = theirs(S)
        if expected is not None:
            assert affinity_propagation(S).tolist() == expected.tolist()
            compared += 1
    assert compared > 30


def test_where_much_ties_it_is_worth_no_less_than_scikit_learns_noise():
    rng, more = np.random.default_rng(1), 0
    for _ in range(40):
        S = similarities(rng, int(rng.integers(3, 40)), rng.choice([0.3, 0.6, 0.8]))
        expected = theirs(S)
        if expected is not None:
            gain = net(S, affinity_propagation(S)) - net(S, expected)
            assert gain > -1e-9
            more += gain > 1e-9
    assert more > 0


@pytest.mark.parametrize("damping", [0.5, 0.9])
@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_points_that_are_alike_are_one_cluster_of_the_first(n, damping):
    S = np.ones((n, n))
    np.fill_diagonal(S, 0.6)
    assert (affinity_propagation(S, damping) == 0).all()
    twice = np.kron(np.eye(2), S) - np.kron(1 - np.eye(2), np.ones((n, n)))  # apart by -1
    assert (affinity_propagation(twice, damping) == np.repeat([0, n], n)).all()


def test_a_larger_preference_gives_more_clusters_and_nothing_is_written():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((6, 8)).repeat(5, axis=0) + 0.2 * rng.standard_normal((30, 8))
    counts = []
    for preference in (0.2, 0.9, 2.0):
        S = np.array(loops.similarities(X, preference))
        S.setflags(write=False)
        counts.append(np.unique(affinity_propagation(S)).size)
    assert counts[0] == 6 < counts[1] <= counts[2] == 30


@pytest.mark.parametrize(
    ("S", "options", "message"),
    [
        (np.ones((3, 2)), {}, r"S must have shape \(3, 3\), got \(3, 2\)"),
        (np.ones((0, 0)), {}, "S must hold finite similarities of points"),
        (np.full((2, 2), np.nan), {}, "S must hold finite similarities of points"),
        (np.ones((3, 3)), {"damping": 0.4}, r"damping must lie in \[0.5, 1\), got 0.4"),
        (np.ones((3, 3)), {"damping": 1.0}, r"damping must lie in \[0.5, 1\), got 1.0"),
        (
            np.eye(9)[::-1] * 1.0,
            {"rounds": 5},
            "of 9 points still changes after 5 rounds; raise damping above 0.5, or the number",
        ),
    ],
)
def test_what_it_cannot_do_is_refused(S, options, message):
    with pytest.raises(ValueError, match=message):
        affinity_propagation(S, **options)
