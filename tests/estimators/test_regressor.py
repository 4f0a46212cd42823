"""HashedRegressor: one target or several, in any unit."""

import numpy as np
import pytest
from sklearn.datasets import make_friedman1
from sklearn.model_selection import cross_val_score

from minihash.estimators import HashedRegressor

X, Y = make_friedman1(300, noise=0.5, random_state=0)
TWO = np.stack([Y, X[:, 0] - X[:, 1]], axis=1)
SMALL = {"hidden": (20,), "compression": 0.5, "epochs": 5, "random_state": 0}


def test_it_learns():
    net = HashedRegressor(hidden=(50,), compression=0.5, lr=0.02, random_state=0)
    assert cross_val_score(net, X, Y, cv=3).mean() > 0.8
    assert net.fit(X, TWO).predict(X).shape == (300, 2)
    assert net.score(X, TWO) > 0.9 and min(net.loss_curve_) < 0.1


def test_targets_may_be_in_any_unit():
    here = HashedRegressor(**SMALL).fit(X, TWO).predict(X)
    scale, shift = np.array([1e6, 1e-6]), np.array([-1e7, 1.0])
    there = HashedRegressor(**SMALL).fit(X, TWO * scale + shift).predict(X)
    np.testing.assert_allclose((there - shift) / scale, here, rtol=1e-6, atol=1e-6)


def test_one_target_is_a_vector_or_a_column_as_it_was_given():
    vector, column = (HashedRegressor(**SMALL).fit(X, y) for y in (Y, Y[:, None]))
    assert vector.predict(X).shape == (300,) and column.predict(X).shape == (300, 1)
    assert (vector.predict(X) == column.predict(X)[:, 0]).all()
    with pytest.raises(ValueError, match="y has 2 targets, but it had 1 before"):
        vector.partial_fit(X, TWO)


def test_weights_count():
    times, one = np.random.default_rng(0).integers(0, 4, 300), SMALL | {"batch_size": 2000}
    often = HashedRegressor(**one).fit(np.repeat(X, times, 0), np.repeat(TWO, times, 0))
    weighed = HashedRegressor(**one).fit(X, TWO, times)
    np.testing.assert_allclose(weighed.loss_curve_, often.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(weighed.predict(X), often.predict(X), rtol=1e-7)
    there = times > 0
    plain = HashedRegressor(**SMALL).fit(X[there], TWO[there])
    alike = HashedRegressor(**SMALL).fit(X, TWO, 4.0 * there)
    assert plain.predict(X).tobytes() == alike.predict(X).tobytes()
