"""Soft weight sharing: a mixture of Gaussians draws the weights together, and then they are shared.

    a mixture, trained beside the weights      minihash/training/penalties/mixture.py
    merged      components i, j whose symmetric divergence KL(i || j) + KL(j || i) is the least, as
                long as that is below a threshold, become one: pi adds, mean and variance are means
                weighted by pi (equation 8), but that component 0 keeps the mean 0
    rounded     w_i := mu_j,  j = argmax_k pi_k N(w_i | k):  a Lookup, sign 0 where j = 0
    retrained   under it: dmu_j = the sum of dw_i over the weights of a mean

KL(i || j) = (gamma_i - gamma_j) / 2 + lam_j / 2 (1 / lam_i + (mu_i - mu_j)^2) - 1 / 2.

Rounding is harmless only once the weights have gathered at the means. That is asked of the weights
themselves, every few epochs, by the part of their square that rounding would change:

    distortion = sum_i (w_i - mu_j(i))^2 / sum_i w_i^2

How many weights change their component in an epoch does not tell: it is as small while they are
slow as when they have arrived.

Sources: Ullrich, Meeds & Welling, arXiv 1702.04008, sections 4 and 5. The divergence is made
symmetric and the order of merges is fixed, so that the result is defined.
"""

import math
import warnings
from dataclasses import dataclass, replace

import numpy as np

from minihash.checks import check_count, real_field
from minihash.hashes import Identity, Lookup
from minihash.networks.sequential import Sequential
from minihash.sharing.method import Stage
from minihash.sharing.rebuild import Params, matrices, share, values
from minihash.training import Training
from minihash.training.optimisers import Adam
from minihash.training.penalties.mixture import Gaussians, Mixture
from minihash.training.schedules import Constant

PERIOD = 10  # epochs until the weights are looked at again
BINS = 160  # of a histogram


@dataclass(frozen=True)
class Soft:
    """A mixture prior, then a codebook.

    tau: how strong the prior is, beside the sum of the examples' losses. components: of the mixture
    beside that at 0, whose part is `zero`. epochs: at most; fewer if the distortion is below
    `settled` earlier. merge: the threshold. retrain: epochs under the codebook, at retrain_rate.
    Raises TypeError or ValueError for a number out of range.
    """

    tau: float = 0.02
    components: int = 16
    zero: float = 0.999
    epochs: int = 100
    batch_size: int = 256
    rate: float = 5e-4
    settled: float = 0.01
    merge: float = 1e-10
    retrain: int = 4
    retrain_rate: float = 1e-4

    def __post_init__(self) -> None:
        for name in ("tau", "merge", "settled"):
            real_field(self, name, 0, math.inf)
        for name in ("epochs", "batch_size", "retrain"):
            check_count(f"{name} of Soft", getattr(self, name), 1, 2**31)
        self._training(Training(), 1, self.rate)
        self._training(Training(), 1, self.retrain_rate)
        Mixture(self.tau, ("",), self.components, self.zero)

    def stage(
        self, number: int, network: Sequential, params: Params, training: Training, examples: int
    ) -> Stage | None:
        """See `Method`."""
        if number == 0:
            own = {name: V.reshape(-1) for name, V in values(network, params).items()}
            chosen = {name: (Identity(table.size), table) for name, table in own.items()}
            network, params = share(network, params, chosen)
        prior = self._prior(network, examples)
        if number and not params.keys() >= prior.owned.keys():
            return None  # the means are trained
        over = number * PERIOD
        if number:
            part = distortion(prior, params)
            if part <= self.settled or over >= self.epochs:
                return self._rounded(prior, network, params, training, part)
        epochs = min(PERIOD, self.epochs - over)
        name = f"mixture, epochs {over + 1} to {over + epochs} of at most {self.epochs}"
        plan = replace(self._training(training, epochs, self.rate), penalties=(prior,))
        return Stage(name, network, params, plan)

    def _prior(self, network: Sequential, examples: int) -> Mixture:
        """On all matrices; biases are no part of it."""
        tables = tuple(w.table for w in matrices(network).values())
        return Mixture(self.tau / examples, tables, self.components, self.zero)

    def _training(self, training: Training, epochs: int, rate: float) -> Training:
        plan = replace(training, epochs=epochs, batch_size=self.batch_size, rate=rate, penalties=())
        return replace(plan, optimiser=Adam(), schedule=Constant())

    def _rounded(
        self, prior: Mixture, network: Sequential, params: Params, training: Training, part: float
    ) -> Stage:
        mixture = merged(prior.gaussians(params), self.merge)
        if not any(mixture.component(params[name]).any() for name in prior.tables):
            raise ValueError(
                f"the mixture has drawn every weight to 0: take a tau below {self.tau}, or a part "
                f"of 0 below {self.zero}"
            )
        if part > self.settled:
            warnings.warn(
                f"the weights have not gathered at the means: rounding changes {part:.1%} of their "
                "square; more epochs or a larger tau would tell whether they do",
                stacklevel=2,
            )
        chosen = {
            name: Lookup.from_weights(rounded(mixture, params[w.table]))
            for name, w in matrices(network).items()
        }
        seen = _histogram({n: params[w.table] for n, w in matrices(network).items()})
        network, params = share(network, params, chosen)
        count = len({value for _, table in chosen.values() for value in table.tolist()})
        plan = self._training(training, self.retrain, self.retrain_rate)
        told = {"distortion": part, "mixture": mixture.told(), "histogram": seen}
        return Stage(f"rounded to {count} means", network, params, plan, told)


def _histogram(tables: Params) -> dict[str, object]:
    """How many weights of each table are in each of `BINS` equal intervals of the range of all."""
    low = min(float(w.min()) for w in tables.values())
    high = max(float(w.max()) for w in tables.values())
    counts = {name: np.histogram(w, BINS, (low, high))[0].tolist() for name, w in tables.items()}
    return {"low": low, "high": high, "counts": counts}


def rounded(mixture: Gaussians, w: np.ndarray) -> np.ndarray:
    """The mean of the likeliest component of each weight, exactly 0 for component 0.

    >>> mixture = Gaussians(np.log([0.6, 0.4]), np.array([0.0, 1.0]), np.array([3.0, 3.0]))
    >>> rounded(mixture, np.array([0.25, 0.51, 0.75]))
    array([0., 0., 1.])
    """
    return mixture.mean.astype(w.dtype)[mixture.component(w)]


def distortion(prior: Mixture, params: Params) -> float:
    """The part of the square of all weights that rounding would change."""
    mixture, changed, whole = prior.gaussians(params), 0.0, 0.0
    for name in prior.tables:
        w = params[name].astype(np.float64)
        whole += float(w @ w)
        w -= rounded(mixture, w)
        changed += float(w @ w)
    return changed / whole if whole else 0.0


def merged(mixture: Gaussians, threshold: float) -> Gaussians:
    """Components that diverge by less than the threshold made one, the nearest two first; of pairs
    as near, that of the first components.

    >>> mixture = Gaussians(np.log([0.5, 0.25, 0.25]), np.array([0.0, 3.0, 4.0]), np.zeros(3))
    >>> merged(mixture, 2.0).mean
    array([0. , 3.5])
    """
    pi, mean, gamma = np.exp(mixture.log_pi), mixture.mean.copy(), mixture.gamma.copy()
    while len(pi) > 1:
        i, j = np.triu_indices(len(pi), 1)
        far = _divergence(mean[i], gamma[i], mean[j], gamma[j])
        far += _divergence(mean[j], gamma[j], mean[i], gamma[i])
        least = far.argmin()
        if not far[least] < threshold:
            break
        pair = [i[least], j[least]]
        part = pi[pair] / pi[pair].sum()
        to, gone = pair
        mean[to] = part @ mean[pair] if to > 0 else 0.0
        gamma[to] = -np.log(part @ np.exp(-gamma[pair]))
        pi[to] = pi[pair].sum()
        pi, mean, gamma = (np.delete(array, gone) for array in (pi, mean, gamma))
    return Gaussians(np.log(pi), mean, gamma)


def _divergence(
    mean: np.ndarray, gamma: np.ndarray, other: np.ndarray, other_gamma: np.ndarray
) -> np.ndarray:
    """KL of Gaussians to others."""
    spread = np.exp(-gamma) + np.square(mean - other)
    return (gamma - other_gamma) / 2 + np.exp(other_gamma) / 2 * spread - 0.5
