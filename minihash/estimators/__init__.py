"""Hashed networks as estimators of scikit-learn (extra `sklearn`).

    HashedClassifier    softmax, cross-entropy          classes of any labels, two or more
    HashedRegressor     linear, mean squared error      one target or several

Numbers are standardised column by column, the regressor's targets too, by the first examples that
an estimator is given; then the networks, the loop and the choices are those of `minihash train`.
They compute in the dtype that NumPy finds for X and float32: float64 for float64, float32 for
float32 and for bytes.

A fitted one holds the tables and no virtual weight. The state of the optimiser, which is as large
again, is kept while it is needed: after `partial_fit`, and with `warm_start`.

The hashing trick is a hashed layer of one output, since sums may be taken in either order:

    phi(x)[k] = sum over {i: bucket(i) = k} of sign(i) x[i]                FeatureHasher
    <table, phi(x)> = sum over i of sign(i) table[bucket(i)] x[i] = <V, x>     Dense

>>> import numpy as np
>>> from sklearn.feature_extraction import FeatureHasher
>>> from minihash.hashes import Lookup
>>> words = ["hash", "table", "bucket", "sign", "weight", "layer"]
>>> trick = FeatureHasher(4).transform([{word: 1} for word in words]).toarray()
>>> hash_ = Lookup(4, abs(trick).argmax(axis=1), trick.sum(axis=1).astype(int))
>>> x, table = np.array([3.0, 0, 1, 2, 0, 5]), np.array([1.0, 2.0, 3.0, 4.0])
>>> V = hash_.sign(range(6)) * table[hash_.bucket(range(6))]
>>> bool(V @ x == table @ (x @ trick))
True

Sources: Weinberger et al., Feature Hashing (arXiv 0902.2206), equation 1; Chen et al., HashedNets
(arXiv 1504.04788), section 4.3.
"""

try:
    from minihash.estimators.classifier import HashedClassifier
    from minihash.estimators.regressor import HashedRegressor
except ImportError as error:
    raise ImportError(
        "minihash.estimators needs scikit-learn 1.6 or newer: pip install 'minihash[sklearn]'"
    ) from error

__all__ = ["HashedClassifier", "HashedRegressor"]
