"""Affinity propagation: clusters, and how many there are, from similarities alone.

    R(i,k) = S(i,k) - max over k' != k of (A(i,k') + S(i,k'))
    A(i,k) = min(0, R(k,k) + sum over i' not in {i, k} of max(0, R(i',k)))
    A(k,k) = sum over i' != k of max(0, R(i',k))

each new = damping old + (1 - damping) computed. Exemplars: R(k,k) + A(k,k) > 0.

Source: Frey & Dueck, Science 315 (2007), 972-976.
"""

import numpy as np


def propagate(
    S: np.ndarray, damping: float, window: int, rounds: int, tilt: float
) -> list[int] | None:
    """The exemplar of each of n >= 2 points; None if the exemplars have not been the same, and at
    least one, for `window` rounds on end.

    S: similarities, on the diagonal the preferences. tilt: the preference of point k is lowered by
    tilt k / n of the largest similarity.

    >>> S = [[0.5, 0.9, 0.0], [0.9, 0.5, 0.0], [0.0, 0.0, 0.5]]
    >>> propagate(S, 0.5, 15, 200, 1e-9)
    [0, 0, 2]
    """
    n = len(S)
    largest = max(abs(float(s)) for row in S for s in row)
    S = [[float(S[i][k]) for k in range(n)] for i in range(n)]
    for k in range(n):
        S[k][k] -= tilt * largest * k / n
    R, A = np.zeros((n, n)), np.zeros((n, n))
    before: list[int] = []
    same = 0
    for _ in range(rounds):
        computed = np.zeros((n, n))
        for i in range(n):
            for k in range(n):
                computed[i, k] = S[i][k] - max(A[i, j] + S[i][j] for j in range(n) if j != k)
        R = damping * R + (1 - damping) * computed
        for i in range(n):
            for k in range(n):
                if i == k:
                    computed[k, k] = sum(max(0, R[j, k]) for j in range(n) if j != k)
                else:
                    sought = sum(max(0, R[j, k]) for j in range(n) if j not in (i, k))
                    computed[i, k] = min(0, R[k, k] + sought)
        A = damping * A + (1 - damping) * computed
        exemplars = [k for k in range(n) if R[k, k] + A[k, k] > 0]
        same = same + 1 if exemplars == before else 1
        before = exemplars
        if exemplars and same >= window:
            return settled(S, exemplars)
    return None


def settled(S: list[list[float]], exemplars: list[int]) -> list[int]:
    """Each point to its nearest exemplar; of each cluster the best member; each point once more.

    The best member is that to which the similarities of all members sum highest. The first wins.

    >>> settled([[0.0, 2.0, 2.0], [3.0, 0.0, 1.0], [3.0, 1.0, 0.0]], [1])
    [0, 0, 0]
    """
    of = nearest(S, exemplars)
    best = []
    for exemplar in exemplars:
        members = [i for i in range(len(S)) if of[i] == exemplar]
        sums = [sum(S[i][k] for i in members) for k in members]
        best.append(members[sums.index(max(sums))])
    return nearest(S, sorted(best))


def nearest(S: list[list[float]], exemplars: list[int]) -> list[int]:
    """The most similar exemplar of each point, the first of several; of an exemplar, itself.

    >>> nearest([[0.0, 2.0], [3.0, 0.0]], [1])
    [1, 1]
    """
    of = []
    for i in range(len(S)):
        likes = [S[i][k] for k in exemplars]
        of.append(i if i in exemplars else exemplars[likes.index(max(likes))])
    return of


def similarities(rows: np.ndarray, preference: float) -> list[list[float]]:
    """<w_i, w_j> / max(||w_i||, ||w_j||)^2, of rows that are not 0; on the diagonal, preferences.

    >>> similarities([[2.0, 0.0], [1.0, 1.0]], 0.6)
    [[0.6, 0.5], [0.5, 0.6]]
    """
    n, found = len(rows), []
    for i in range(n):
        found.append([])
        for j in range(n):
            inner = sum(float(a) * float(b) for a, b in zip(rows[i], rows[j], strict=True))
            squares = [sum(float(a) ** 2 for a in rows[k]) for k in (i, j)]
            found[i].append(preference if i == j else inner / max(squares))
    return found
