"""Room 9: affinity propagation, which finds clusters and how many there are.

    R(i,k) = S(i,k) - max over k' != k of (A(i,k') + S(i,k'))           how well k would serve i
    A(i,k) = min(0, R(k,k) + sum over i' not in {i, k} of max(0, R(i',k)))      how much k is sought
    A(k,k) = sum over i' != k of max(0, R(i',k))
    both damped: new = damping old + (1 - damping) computed

S(i,k) says how well k stands for i; S(k,k), the preference, how ready k is to stand for itself: a
larger one gives more clusters. Points with R(k,k) + A(k,k) > 0 are exemplars. Once these have been
the same for `WINDOW` / (1 - damping) rounds, each point goes to the most similar one; in each
cluster the member that is most similar to all becomes the exemplar; and each point goes to the most
similar once more. Among hundreds of points it happens that one or two change for ever, between
clusters that are worth nearly the same: a part of the points may be let do so, as no exemplars.

Where two points do alike, the lower index wins: preferences fall along the points, by TILT of the
largest similarity in all. Without it points that are exactly alike are exemplars all or none, and
two that prefer each other change for ever. Others add noise for that; here nothing is drawn.

Source: Frey & Dueck, Science 315 (2007), 972-976.
"""

import math

import numpy as np

from minihash.checks import float_array

WINDOW, TILT = 7.5, 1e-9  # 15 rounds at damping 1/2


def affinity_propagation(
    S: np.ndarray, damping: float = 0.5, rounds: int = 1000, restless: float = 0.0
) -> np.ndarray:
    """The exemplar of each point: intp (points,), indices of points.

    S: finite similarities (points, points), on the diagonal the preferences. damping: in [0.5, 1).
    restless: the part of the points that may still change.
    Raises TypeError or ValueError for anything else; ValueError if more than that still change
    after so many rounds. Memory: six matrices of S's size.

    >>> S = -np.square(np.subtract.outer([0.0, 0.1, 5.0, 5.2], [0.0, 0.1, 5.0, 5.2]))
    >>> np.fill_diagonal(S, -1.0)
    >>> affinity_propagation(S)
    array([0, 0, 2, 2])
    """
    S = float_array(S, "S", (len(S), len(S))).astype(np.float64)
    if not 0.5 <= damping < 1:
        raise ValueError(f"damping must lie in [0.5, 1), got {damping}; try 0.5, or 0.9")
    if not len(S) or not np.isfinite(S).all():
        raise ValueError(f"S must hold finite similarities of points, got {S}; leave out the rest")
    n, own = len(S), np.diag_indices(len(S))
    if n == 1:
        return np.zeros(1, np.intp)
    S[own] -= TILT * np.abs(S).max() * np.arange(n) / n
    R, A = np.zeros_like(S), np.zeros_like(S)
    exemplars, same = np.zeros(n, bool), np.zeros(n, int)  # rounds without a change
    window = math.ceil(WINDOW / (1 - damping))
    for _ in range(rounds):
        R *= damping
        R += (1 - damping) * _responsibility(S, A)
        A *= damping
        A += (1 - damping) * _availability(R)
        before, exemplars = exemplars, R[own] + A[own] > 0
        same = np.where(exemplars == before, same + 1, 1)
        at_rest = same >= window
        if n - at_rest.sum() <= restless * n and (found := exemplars & at_rest).any():
            return _settled(S, np.flatnonzero(found))
    raise ValueError(
        f"affinity propagation of {n} points still changes after {rounds} rounds; raise damping "
        f"above {damping}, or the number of rounds"
    )


def _responsibility(S: np.ndarray, A: np.ndarray) -> np.ndarray:
    """S(i,k) less the largest A + S elsewhere in the row."""
    total, every = A + S, np.arange(len(S))
    best = total.argmax(axis=1)
    largest = total[every, best]
    total[every, best] = -np.inf
    R = S - largest[:, None]
    R[every, best] = S[every, best] - total.max(axis=1)
    return R


def _availability(R: np.ndarray) -> np.ndarray:
    """What each k has from the others, of which only the good counts."""
    own = np.diag_indices(len(R))
    good = np.maximum(R, 0)
    good[own] = R[own]
    A = good.sum(axis=0) - good
    at_home = A[own]
    np.minimum(A, 0, out=A)
    A[own] = at_home
    return A


def _settled(S: np.ndarray, exemplars: np.ndarray) -> np.ndarray:
    """The exemplar of each point, once the best member of each cluster has become its exemplar."""
    of = _nearest(S, exemplars)
    members = [np.flatnonzero(of == k) for k in exemplars]
    best = [m[S[np.ix_(m, m)].sum(axis=0).argmax()] for m in members]
    return _nearest(S, np.sort(best))


def _nearest(S: np.ndarray, exemplars: np.ndarray) -> np.ndarray:
    """The most similar exemplar of each point; of an exemplar, itself."""
    of = exemplars[S[:, exemplars].argmax(axis=1)]
    of[exemplars] = exemplars
    return of
