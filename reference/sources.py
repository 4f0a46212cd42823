"""What generates a weight V beside one hashed table: forward, and the adjoint below it.

Rows of V are its first axis; all other axes are one here. Parts are matrices that `gather` made;
the gradient of a table is the sum of scatter_add over all the parts that read it.
"""

from math import cos, log, pi, sqrt

import numpy as np

from reference.core import numbers, zeros
from reference.streams import stream, u


def gaussian(count: int, deviation: float, seed: int) -> np.ndarray:
    """Fixed normal numbers, by Box & Muller, rounded to float32.

    V[i] = deviation sqrt(-2 ln u(a, i)) cos(2 pi u(b, i)), a and b the streams below

    >>> [round(float(v), 2) for v in gaussian(2, 1.0, 0)]
    [-2.09, -0.56]
    """
    V = np.zeros(count, np.float32)
    for i in range(count):
        r = sqrt(-2 * log(u(stream(seed, "gaussian/radius"), i)))
        V[i] = deviation * r * cos(2 * pi * u(stream(seed, "gaussian/angle"), i))
    return V


def low_rank(L: np.ndarray, R: np.ndarray) -> np.ndarray:
    """V[o, i] = sum_k L[o, k] R[k, i].

    >>> low_rank([[1.0], [10.0]], [[1.0, 2.0]])
    array([[ 1.,  2.],
           [10., 20.]])
    """
    L, R = numbers(L), numbers(R)
    V = zeros((len(L), R.shape[1]), L, R)
    for o in range(len(L)):
        for i in range(R.shape[1]):
            for k in range(len(R)):
                V[o, i] += L[o, k] * R[k, i]
    return V


def low_rank_backward(
    dV: np.ndarray, L: np.ndarray, R: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """dL[o, k] = sum_i dV[o, i] R[k, i],  dR[k, i] = sum_o L[o, k] dV[o, i].

    >>> low_rank_backward([[1.0, 1.0]], [[2.0]], [[3.0, 4.0]])
    (array([[7.]]), array([[2., 2.]]))
    """
    dV, L, R = numbers(dV), numbers(L), numbers(R)
    dL, dR = zeros(L.shape, dV, R), zeros(R.shape, dV, L)
    for o in range(len(L)):
        for i in range(R.shape[1]):
            for k in range(len(R)):
                dL[o, k] += dV[o, i] * R[k, i]
                dR[k, i] += L[o, k] * dV[o, i]
    return dL, dR


def scaled(W: np.ndarray, scale: float) -> np.ndarray:
    """V = scale W, and as dV = scale dV' backward.

    >>> scaled([[1.0, 2.0]], 0.5)
    array([[0.5, 1. ]])
    """
    W = numbers(W)
    V = zeros(W.shape, W)
    for e in np.ndindex(*W.shape):
        V[e] = scale * W[e]
    return V


def total(*terms: np.ndarray) -> np.ndarray:
    """V = the sum of the terms; backward, dV is the gradient of each.

    >>> total([[1.0]], [[2.0]], [[4.0]])
    array([[7.]])
    """
    V = zeros(np.shape(terms[0]), *terms)
    for term in terms:
        for e in np.ndindex(*V.shape):
            V[e] += numbers(term)[e]
    return V


def entrywise(*factors: np.ndarray) -> np.ndarray:
    """V = the product of the factors, entry by entry.

    >>> entrywise([[2.0, 3.0]], [[5.0, 7.0]])
    array([[10., 21.]])
    """
    V = zeros(np.shape(factors[0]), *factors) + 1
    for factor in factors:
        for e in np.ndindex(*V.shape):
            V[e] *= numbers(factor)[e]
    return V


def entrywise_backward(dV: np.ndarray, *factors: np.ndarray) -> tuple[np.ndarray, ...]:
    """The gradient of a factor is dV times all others.

    >>> entrywise_backward([[1.0]], [[2.0]], [[3.0]], [[5.0]])
    (array([[15.]]), array([[10.]]), array([[6.]]))
    """
    return tuple(entrywise(dV, *factors[:k], *factors[k + 1 :]) for k in range(len(factors)))


def rows(E: np.ndarray, bucket: list[int], sign: list[int]) -> np.ndarray:
    """V[i, :] = sign[i] E[bucket[i], :].

    >>> rows([[1.0, 2.0], [3.0, 4.0]], [1, 0, 1], [1, 1, -1])
    array([[ 3.,  4.],
           [ 1.,  2.],
           [-3., -4.]])
    """
    E = numbers(E)
    V = zeros((len(bucket), E.shape[1]), E)
    for i in range(len(bucket)):
        for j in range(E.shape[1]):
            V[i, j] = sign[i] * E[bucket[i], j]
    return V


def rows_backward(dV: np.ndarray, height: int, bucket: list[int], sign: list[int]) -> np.ndarray:
    """dE[b, :] = sum over i with bucket[i] = b of sign[i] dV[i, :].

    >>> rows_backward([[1.0], [2.0], [4.0]], 2, [1, 0, 1], [1, 1, -1])
    array([[ 2.],
           [-3.]])
    """
    dV = numbers(dV)
    dE = zeros((height, dV.shape[1]), dV)
    for i in range(len(bucket)):
        for j in range(dV.shape[1]):
            dE[bucket[i], j] += sign[i] * dV[i, j]
    return dE


def hypernetwork(
    z: np.ndarray, W: np.ndarray, B: np.ndarray, U: np.ndarray, C: np.ndarray
) -> np.ndarray:
    """A static hypernetwork (HyperNetworks, arXiv 1609.09106, eq. 2), slices along the first axis.

    a_i = W_i z_t + B_i,   V[t1 N + i, t2 q + e] = sum_k U[e, k] a_i[k] + C[e]     tile t = (t1, t2)

    z (tiles down, tiles along, N_z), W (N, d, N_z), B (N, d), U (q, d), C (q,)

    >>> hypernetwork([[[2.0]]], [[[3.0]]], [[1.0]], [[1.0], [10.0]], [0.5, 0.0])
    array([[ 7.5, 70. ]])
    """
    z, W, B, U, C = (numbers(part) for part in (z, W, B, U, C))
    N, d, N_z = W.shape
    q = len(C)
    V = zeros((z.shape[0] * N, z.shape[1] * q), z, W, B, U, C)
    for t1, t2, i in np.ndindex(*z.shape[:2], N):
        for k in range(d):
            a = B[i, k]
            for m in range(N_z):
                a += W[i, k, m] * z[t1, t2, m]
            for e in range(q):
                V[t1 * N + i, t2 * q + e] += U[e, k] * a
        for e in range(q):
            V[t1 * N + i, t2 * q + e] += C[e]
    return V


def hypernetwork_backward(
    dV: np.ndarray, z: np.ndarray, W: np.ndarray, B: np.ndarray, U: np.ndarray, C: np.ndarray
) -> tuple[np.ndarray, ...]:
    """dz, dW, dB, dU, dC: dC = sum dV_i; dU = sum dV_i a_i^T; da_i = U^T dV_i; dB_i = da_i;
    dW_i = da_i z^T; dz = sum_i W_i^T da_i; all but dz summed over tiles.

    >>> parts = [[[2.0]]], [[[3.0]]], [[1.0]], [[1.0], [10.0]], [0.5, 0.0]
    >>> [d.tolist() for d in hypernetwork_backward([[1.0, 1.0]], *parts)]
    [[[[33.0]]], [[[22.0]]], [[11.0]], [[7.0], [7.0]], [1.0, 1.0]]
    """
    dV, z, W, B, U, C = (numbers(part) for part in (dV, z, W, B, U, C))
    N, d, N_z = W.shape
    q = len(C)
    dz, dW, dB, dU, dC = (zeros(part.shape, dV, z, W, B, U, C) for part in (z, W, B, U, C))
    for t1, t2, i in np.ndindex(*z.shape[:2], N):
        for e in range(q):
            dC[e] += dV[t1 * N + i, t2 * q + e]
        for k in range(d):
            a, da = B[i, k], 0.0
            for m in range(N_z):
                a += W[i, k, m] * z[t1, t2, m]
            for e in range(q):
                dU[e, k] += dV[t1 * N + i, t2 * q + e] * a
                da += U[e, k] * dV[t1 * N + i, t2 * q + e]
            dB[i, k] += da
            for m in range(N_z):
                dW[i, k, m] += da * z[t1, t2, m]
                dz[t1, t2, m] += W[i, k, m] * da
    return dz, dW, dB, dU, dC


def cosine_basis(f: int) -> np.ndarray:
    """D[j, x] = sqrt((1 if j = 0 else 2) / f) cos(pi (2 x + 1) j / (2 f)): orthonormal.

    >>> cosine_basis(1)
    array([[1.]])
    """
    D = zeros((f, f))
    for j in range(f):
        for x in range(f):
            D[j, x] = sqrt((2 if j else 1) / f) * cos(pi * (2 * x + 1) * j / (2 * f))
    return D


def cosine(*bands: np.ndarray) -> np.ndarray:
    """Kernels of f x f by their frequencies (FreshNets): V = D^T C D for each.

    Band j (kernels, entries with j1 + j2 = j, by increasing j1), j = 0 ... 2 f - 2, holds the
    entries C[j1, j2]. Returns V (kernels, f^2).

    >>> cosine([[2.0]])
    array([[2.]])
    """
    f = (len(bands) + 1) // 2
    D = cosine_basis(f)
    V = zeros((len(bands[0]), f * f), *bands)
    for kernel in range(len(V)):
        for j1, j2, x1, x2 in np.ndindex(f, f, f, f):
            C = numbers(bands[j1 + j2])[kernel, j1 - max(0, j1 + j2 - f + 1)]
            V[kernel, x1 * f + x2] += D[j1, x1] * D[j2, x2] * C
    return V


def cosine_backward(dV: np.ndarray, *bands: np.ndarray) -> tuple[np.ndarray, ...]:
    """dC = D dV D^T for each kernel, each entry to its band.

    >>> cosine_backward([[3.0]], [[2.0]])
    (array([[3.]]),)
    """
    f, dV = (len(bands) + 1) // 2, numbers(dV)
    D = cosine_basis(f)
    dbands = tuple(zeros(np.shape(band), dV) for band in bands)
    for kernel in range(len(dV)):
        for j1, j2, x1, x2 in np.ndindex(f, f, f, f):
            dC = D[j1, x1] * D[j2, x2] * dV[kernel, x1 * f + x2]
            dbands[j1 + j2][kernel, j1 - max(0, j1 + j2 - f + 1)] += dC
    return dbands
