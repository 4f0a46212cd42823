"""The hashing trick is a hashed layer: scikit-learn's FeatureHasher, to the bit, both ways.

phi(x) = x T with T[i, bucket(i)] = sign(i). Then V = T table, so that <table, phi(x)> = <V, x>, and
dtable = phi(x)^T dy. FeatureHasher's own alternating signs, or none.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction import FeatureHasher

from minihash import Dense, VirtualWeight
from minihash.hashes import Lookup
from tests.support.strategies import whole


def hash_of(hasher, words):
    """The hash that a FeatureHasher is, of these words in their order."""
    trick = hasher.transform([{word: 1.0} for word in words]).toarray()
    assert (np.count_nonzero(trick, axis=1) == 1).all()
    return Lookup(hasher.n_features, abs(trick).argmax(axis=1), trick.sum(axis=1).astype(int))


@given(
    st.lists(st.text(min_size=1), min_size=1, max_size=12, unique=True),
    st.integers(1, 7),
    st.booleans(),
    st.data(),
)
def test_a_linear_model_of_hashed_features_is_a_hashed_layer(words, buckets, signed, data):
    hasher = FeatureHasher(buckets, alternate_sign=signed)
    layer = Dense(VirtualWeight((1, len(words)), hash_of(hasher, words), "table"))
    table = data.draw(whole((buckets,), np.float64))
    x, dy = data.draw(whole((3, len(words)), np.float64)), data.draw(whole((3, 1), np.float64))
    phi = hasher.transform(dict(zip(words, row, strict=True)) for row in x).toarray()
    y, cache = layer.forward({"table": table}, x)
    dx, grads = layer.backward({"table": table}, cache, dy)
    assert np.array_equal(y[:, 0], phi @ table)
    assert np.array_equal(grads["table"], phi.T @ dy[:, 0])
    unit = hasher.transform([{word: 1.0} for word in words]).toarray()
    assert np.array_equal(dx, dy * (unit @ table))


@pytest.mark.parametrize("outputs", [4])
def test_several_outputs_are_a_hasher_each(outputs):
    """One table, one hash: an output's identifiers follow those of the output before."""
    rng = np.random.default_rng(0)
    words = [f"{k}/{word}" for k in range(outputs) for word in range(9)]
    layer = Dense(VirtualWeight((outputs, 9), hash_of(FeatureHasher(5), words), "table"))
    x, table = rng.integers(-9, 9, (6, 9)).astype(float), rng.integers(-9, 9, 5).astype(float)
    y, _ = layer.forward({"table": table}, x)
    for k in range(outputs):
        own = words[9 * k : 9 * k + 9]
        phi = FeatureHasher(5).transform(dict(zip(own, row, strict=True)) for row in x)
        assert np.array_equal(y[:, k], phi.toarray() @ table)
