"""A hashed network as a classifier of scikit-learn."""

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from minihash.estimators.hashed import Hashed, counted
from minihash.runs.examples import Classifier


class HashedClassifier(ClassifierMixin, Hashed):
    """A hashed network whose outputs are classes.

    Fitted: classes_ (sorted), n_iter_, loss_curve_ (mean loss of each epoch, nats), model_,
    network_, training_, state_, standardiser_, n_features_in_, feature_names_in_.
    Raises scikit-learn's InvalidParameterError for parameters, ValueError for data.

    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> net = HashedClassifier(compression=0.1, epochs=10, random_state=0).fit(X[:1200], y[:1200])
    >>> net.score(X[1200:], y[1200:]) > 0.9, net.predict_proba(X[:5]).shape
    (True, (5, 10))
    """

    _loss = "cross-entropy"
    classes_: np.ndarray

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "HashedClassifier":
        """Learn the labels y (examples,) of X (examples, features): numbers, or texts.

        sample_weight: how much each example counts, not negative (examples,).
        """
        again = self.warm_start and hasattr(self, "state_")
        return self._fit(X, y, None, sample_weight, partial=False, again=again)

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> "HashedClassifier":
        """An epoch more, of these examples. classes: all that there will be; the first call needs
        them."""
        again = hasattr(self, "state_")
        if not again and classes is None:
            raise ValueError("the first call of partial_fit needs classes, all that there will be")
        return self._fit(X, y, classes, sample_weight, partial=True, again=again)

    def _fit(
        self, X: Any, y: Any, classes: Any, sample_weight: Any, partial: bool, again: bool
    ) -> "HashedClassifier":
        X, y, weights = self._examples(X, y, sample_weight, again)
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        known = np.unique(y if classes is None else classes)
        if again and classes is not None and not np.array_equal(known, self.classes_):
            raise ValueError(f"classes are those of the first call, {self.classes_}, got {known}")
        known = self.classes_ if again else known
        X, labels, weights = counted(X, LabelEncoder().fit(known).transform(y), weights)
        plan = self._plan(X.shape[1], len(known), again)
        if not again:
            self.classes_ = known
            self._begin(*plan, X, weights)
        self._learn(X, labels, weights, plan, partial)
        return self

    @property
    def model_(self) -> Classifier:
        """What `minihash train` makes: `model_.save("net.safetensors")` writes a file that
        `minihash predict`, `inspect` and `export` take."""
        check_is_fitted(self)
        return Classifier(
            network=self.network_,
            params=self.state_.params,
            dataset="X",
            training=self.training_,
            epochs=self.state_.epoch,
            steps=self.state_.step,
            standardiser=self.standardiser_,
            shape=(self.n_features_in_,),
            units=self.units_,
            class_names=tuple(map(str, self.classes_)),
        )

    def predict_proba(self, X: Any) -> np.ndarray:
        """float64 (examples, classes) in the order of classes_, rows that sum to 1."""
        logits = self._outputs(X).astype(np.float64)
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each example, of classes_."""
        best = self._outputs(X).argmax(axis=1)  # first: it says what is not fitted
        return self.classes_[best]
