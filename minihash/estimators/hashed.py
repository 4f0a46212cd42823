"""What both estimators are: the choices of a run, a network, and how far it has learnt."""

import math
import numbers
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from minihash.data import Standardiser, fit_standardiser
from minihash.data.dataset import STANDARDISE
from minihash.data.units import units_of
from minihash.networks.sequential import Sequential
from minihash.runs.config import Config
from minihash.runs.examples import BATCH
from minihash.runs.machine import check_memory
from minihash.training import Training, start, steps, trained

KEPT = (np.float64, np.float32, np.uint8)  # dtypes of X that are not made float64
OF_CONFIG = [
    *("hash", "compression", "scope", "hidden", "activation", "norm", "dropout", "weight_decay"),
    *("optimiser", "lr", "decay", "epochs", "batch_size", "standardise"),
]


class Hashed(BaseEstimator):
    """Base of both. Parameters are the choices of `minihash train` (`minihash.runs.config.Config`).

    hash, compression, hash_options, scope: how weights share a table; None: 1/10, or 1 under the
    identity hash. hidden: sizes of hidden layers. norm: "none" or "batch". lr: None is 3e-3 for
    adam, 0.1 for sgd; it is divided by 1 + decay times the steps so far. epochs: of a `fit`; a
    `partial_fit` is one. standardise: "columns", "channels" (all numbers alike, as of pictures) or
    "none". random_state: a number is the seed of `minihash train`. warm_start: `fit` goes on from
    where the last one ended. verbose: prints a line an epoch.
    """

    def __init__(
        self,
        hash="uniform",
        compression=None,
        hash_options=None,
        scope=None,
        hidden=(200, 200),
        activation="elu",
        norm="none",
        dropout=0.0,
        weight_decay=None,
        optimiser="adam",
        lr=None,
        decay=0.0,
        epochs=50,
        batch_size=50,
        standardise="columns",
        random_state=None,
        warm_start=False,
        verbose=False,
    ):
        self.hash = hash
        self.compression = compression
        self.hash_options = hash_options
        self.scope = scope
        self.hidden = hidden
        self.activation = activation
        self.norm = norm
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.optimiser = optimiser
        self.lr = lr
        self.decay = decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.standardise = standardise
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    @property
    def n_iter_(self) -> int:
        """Epochs so far, of all calls that went on from one another."""
        check_is_fitted(self)
        return self.state_.epoch

    def _examples(
        self, X: Any, y: Any, sample_weight: Any, again: bool, **options: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Examples, targets and weights, checked. options: of `validate_data`."""
        X, y = validate_data(self, X, y, reset=not again, dtype=KEPT, **options)
        if sample_weight is None:
            return X, y, None
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not weights.any():
            raise ValueError("all sample weights are zero, so that there is nothing to learn from")
        return X, y, weights

    def _plan(self, features: int, outputs: int, again: bool) -> tuple[Sequential, Training]:
        """The network, and how it is trained. Raises InvalidParameterError."""
        given = {name: _plain(getattr(self, name)) for name in OF_CONFIG}
        try:
            if self.standardise not in STANDARDISE:
                known = ", ".join(STANDARDISE)
                raise ValueError(f"standardise must be one of {known}, got {self.standardise!r}")
            given["hidden"] = tuple(np.ravel(given["hidden"]).tolist())
            given["seed"] = self.training_.seed if again else _seed(self.random_state)
            options = tuple(dict(self.hash_options or {}).items())
            config = Config(**given, hash_options=options)
            network = config.network((features,), outputs)
            training = replace(config.training(network), loss=self._loss)
        except (TypeError, ValueError) as error:
            raise InvalidParameterError(f"{type(self).__name__}: {error}") from error
        return network, training

    def _begin(
        self, network: Sequential, training: Training, X: np.ndarray, weights: np.ndarray | None
    ) -> None:
        """Before the first step: what is fixed by the first examples."""
        check_memory(sum({w.table: w.hash.buckets for w in network.weights()}.values()))
        self.network_, self.training_ = network, training
        self.loss_curve_: list[float] = []
        self.units_, self.standardiser_ = units_of(X), standardiser(X, self.standardise, weights)
        dtype = np.result_type(X.dtype, np.float32)
        self.state_ = start(network, training, dtype.type)

    def _learn(
        self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None, plan: tuple, partial: bool
    ) -> None:
        """Go on from `state_`: for an epoch, if the fit is partial, else for `epochs`."""
        network, training = plan
        if network != self.network_:
            raise InvalidParameterError(
                f"{type(self).__name__} goes on with the network that it has, but a parameter that "
                "makes another one has changed: clone it to begin anew"
            )
        state, names = self.state_, trained(network)
        if training.optimiser != self.training_.optimiser or not state.optimiser:
            state = replace(state, optimiser=training.optimiser.init(state.params, names))
        training = replace(training, epochs=state.epoch + (1 if partial else training.epochs))
        given = network, training, state, X, y, self.standardiser_
        for state, report in steps(*given, weights):
            if state.batch == 0:
                self.loss_curve_.append(report["loss"])
                if self.verbose:
                    print(f"epoch {report['epoch']}, loss {report['loss']:.6g}")
        if not math.isfinite(self.loss_curve_[-1]):
            warnings.warn(
                f"the loss is {self.loss_curve_[-1]}: the training has diverged, try a smaller lr",
                ConvergenceWarning,
                stacklevel=3,
            )
        kept = state.optimiser if partial or self.warm_start else {}
        self.state_, self.training_ = replace(state, optimiser=kept), training

    def _outputs(self, X: Any) -> np.ndarray:
        """What the network answers (examples, outputs)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=KEPT)
        params = self.state_.params
        dtype = next(iter(params.values())).dtype
        return np.concatenate(
            [
                self.network_.forward(params, self.standardiser_(X[part], dtype))[0]
                for part in gen_batches(len(X), BATCH)
            ]
        )


def _seed(random_state: Any) -> int:
    """A number is its own seed; a generator, or NumPy's global one for None, draws one."""
    random = check_random_state(random_state)
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(random.randint(2**32, dtype=np.uint32))


def _plain(value: Any) -> Any:
    """A parameter without NumPy's types, which grids are made of."""
    return value.item() if isinstance(value, np.generic) else value


def counted(
    X: np.ndarray, y: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Examples, targets and weights without those of weight 0, which are not there."""
    if weights is None:
        return X, y, None
    there = weights > 0
    return X[there], y[there], weights[there]


def standardiser(x: np.ndarray, by: str, weights: np.ndarray | None) -> Standardiser:
    """By columns, by all numbers alike, or, by none, in units of white for bytes."""
    peak = units_of(x).white or 1.0 if x.dtype == np.uint8 else 1.0
    if by == "none":
        return Standardiser((0.0,), (1.0,), peak, wide=x.dtype != np.uint8)
    return fit_standardiser(x, x.shape[1] if by == "columns" else 1, peak, weights)
