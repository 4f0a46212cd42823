"""A hashed network as a regressor of scikit-learn."""

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from minihash.data import Standardiser
from minihash.estimators.hashed import Hashed, counted, standardiser


class HashedRegressor(RegressorMixin, Hashed):
    """A hashed network whose outputs are numbers: one target, or several.

    Fitted: as HashedClassifier, without classes_ and model_; the loss is in variances of y.

    >>> X = np.random.default_rng(0).normal(size=(300, 3))
    >>> y = np.stack([X[:, 0] + X[:, 1] ** 2, 100 * X[:, 2]], axis=1)
    >>> net = HashedRegressor(compression=0.5, random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.9, net.predict(X[:5]).shape
    (True, (5, 2))
    """

    _loss = "squared-error"
    target_standardiser_: Standardiser

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "HashedRegressor":
        """Learn y (examples,) or (examples, targets) of X (examples, features).

        sample_weight: how much each example counts, not negative (examples,).
        """
        again = self.warm_start and hasattr(self, "state_")
        return self._fit(X, y, sample_weight, partial=False, again=again)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "HashedRegressor":
        """An epoch more, of these examples."""
        return self._fit(X, y, sample_weight, partial=True, again=hasattr(self, "state_"))

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, partial: bool, again: bool
    ) -> "HashedRegressor":
        options = {"multi_output": True, "y_numeric": True}
        X, y, weights = self._examples(X, y, sample_weight, again, **options)
        X, targets, weights = counted(X, y.astype(np.float64).reshape(len(y), -1), weights)
        outputs = len(self.target_standardiser_.mean) if again else targets.shape[1]
        if targets.shape[1] != outputs:
            raise ValueError(f"y has {targets.shape[1]} targets, but it had {outputs} before")
        plan = self._plan(X.shape[1], outputs, again)
        if not again:
            self._begin(*plan, X, weights)
            self.target_standardiser_ = standardiser(targets, "columns", weights)
            self._flat = y.ndim == 1
        dtype = next(iter(self.state_.params.values())).dtype
        self._learn(X, self.target_standardiser_(targets, dtype), weights, plan, partial)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """float64 (examples,) or (examples, targets), as y was."""
        y = self._outputs(X).astype(np.float64)
        y = y * self.target_standardiser_.std + self.target_standardiser_.mean
        return y.ravel() if self._flat else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
