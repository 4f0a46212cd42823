"""k-means in one dimension against loops, scikit-learn and kmeans1d."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash.sharing import kmeans
from reference import kmeans as loops

WHOLE = st.lists(st.integers(-20, 20), min_size=1, max_size=12)  # sums are exact


def cost(weights, centroids, cluster):
    return float(np.square(weights - centroids[cluster]).sum())


@given(WHOLE, st.integers(1, 5), st.sampled_from(sorted(kmeans.STARTS)), st.integers(0, 9))
def test_a_codebook_is_a_fixed_point_no_better_than_the_optimum(weights, k, start, seed):
    weights = np.array(weights, float)
    centroids, cluster = kmeans.codebook(weights, k, start, seed)
    assert 1 <= centroids.size <= k and np.all(np.diff(centroids) > 0)
    assert set(cluster.tolist()) == set(range(centroids.size))
    nearest = [loops.nearest(w, centroids.tolist()) for w in weights]
    found, least = (
        cost(weights, centroids, cluster),
        loops.optimum(weights.tolist(), centroids.size),
    )
    assert found >= least - 1e-9
    np.testing.assert_allclose(loops.cost(weights.tolist(), centroids.tolist()), found, atol=1e-9)
    distances = (abs(weights - centroids[of]) for of in (nearest, cluster))
    np.testing.assert_allclose(*distances, atol=1e-12)  # of a tie, either
    if start == "optimal":
        assert found == pytest.approx(least, abs=1e-9)
        assert centroids.size == min(k, np.unique(weights).size)


@given(WHOLE.filter(lambda w: len(set(w)) > 2), st.integers(2, 5), st.integers(0, 9))
def test_lloyd_is_that_of_loops_and_its_cost_never_rises(weights, k, seed):
    ordered = np.sort(np.array(weights, float))
    for start in ("linear", "density", "random"):
        begin = np.unique(kmeans.STARTS[start](ordered, k, seed))
        told = []
        centroids, ends = kmeans.lloyd(ordered, begin, told.append)
        expected = loops.lloyd(ordered.tolist(), begin.tolist())
        np.testing.assert_allclose(centroids, expected, atol=1e-12)
        assert np.all(np.diff(told) <= 1e-9) and ends[-1] == ordered.size
        assert told[-1] == pytest.approx(loops.cost(ordered.tolist(), expected), abs=1e-9)


def test_lloyd_rests_where_scikit_learns_does():
    from sklearn import cluster

    weights = np.sort(np.random.default_rng(2).normal(size=400))
    for start in ("linear", "density", "random"):
        centroids, _ = kmeans.lloyd(weights, kmeans.STARTS[start](weights, 6, 1))
        theirs = cluster.KMeans(6, init=centroids[:, None], n_init=1, algorithm="lloyd", tol=0)
        theirs.fit(weights[:, None])
        np.testing.assert_allclose(theirs.cluster_centers_[:, 0], centroids, rtol=1e-9)


@pytest.mark.parametrize(("size", "k"), [(30, 3), (400, 7), (3000, 31)])
@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_the_optimum_is_that_of_kmeans1d(size, k, shift):
    """A mean that is large beside the spread costs no digits."""
    import kmeans1d

    weights = np.random.default_rng(size).standard_t(3, size=size).astype(np.float32) + shift
    found, cluster = kmeans.codebook(weights, k)
    labels, centroids = kmeans1d.cluster((weights - shift).tolist(), k)
    ours = cost(weights.astype(float), found, cluster)
    theirs = cost(weights - shift, np.array(centroids), np.array(labels))
    assert found.size == k and ours == pytest.approx(theirs, rel=1e-9)
    begun = kmeans.codebook(weights, k, "density")
    assert ours <= cost(weights.astype(float), *begun) * (1 + 1e-12)


@given(WHOLE, st.integers(1, 5), st.sampled_from([2.0, 0.5]), st.integers(-8, 8))
def test_shift_and_scale_of_the_weights_change_no_cluster(weights, k, scale, shift):
    weights = np.array(weights, float)
    for start in kmeans.STARTS:
        _, cluster = kmeans.codebook(weights, k, start)
        _, moved = kmeans.codebook(weights * scale, k, start)
        assert moved.tolist() == cluster.tolist()
        found, _ = kmeans.codebook(weights + shift, k, "optimal")
        assert found.size == min(k, np.unique(weights).size)


def test_a_weight_between_two_centroids_is_the_lowers():
    _, ends = kmeans.lloyd(np.array([0.0, 1.0, 2.0]), np.array([0.0, 2.0]))
    assert ends.tolist() == [2, 3]


def test_an_empty_cluster_keeps_its_centroid_and_leaves_the_codebook():
    ordered = np.array([0.0, 0.0, 1.0, 10.0, 10.0])
    centroids, ends = kmeans.lloyd(ordered, np.array([0.0, 5.0, 10.0]))
    assert centroids.tolist() == [pytest.approx(1 / 3), 5.0, 10.0] and ends.tolist() == [3, 3, 5]
    found, cluster = kmeans.codebook(np.array([0.0, 0.2, 0.4, 10.0, 9.8, 9.6]), 3, "linear")
    assert found.size == 2 and cluster.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(("k", "start"), [(0, "linear"), (3, "forgy")])
def test_what_is_no_codebook_is_refused(k, start):
    with pytest.raises(ValueError, match=r"at least 1 value|start must be one of linear, density"):
        kmeans.codebook(np.arange(9.0), k, start)
