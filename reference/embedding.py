"""Embedding as loops, and its tie with the output: Press & Wolf, arXiv 1608.05859.

y[..., :] = V[token]              V (vocabulary, width)
dV[v, :]  = sum over the positions with token v of dy
tied:       logits = h V^T + b, and dV is the sum of both
"""

import numpy as np

from reference.core import numbers, zeros


def embedding_forward(tokens: np.ndarray, V: np.ndarray) -> np.ndarray:
    """y (*tokens.shape, width).

    >>> embedding_forward([1, 0, 1], [[1.0, 2.0], [3.0, 4.0]])
    array([[3., 4.],
           [1., 2.],
           [3., 4.]])
    """
    tokens, V = np.asarray(tokens), numbers(V)
    y = zeros((*tokens.shape, V.shape[1]), V)
    for position in np.ndindex(*tokens.shape):
        for j in range(V.shape[1]):
            y[(*position, j)] = V[tokens[position], j]
    return y


def embedding_backward(dy: np.ndarray, tokens: np.ndarray, vocabulary: int) -> np.ndarray:
    """dV (vocabulary, width); tokens have no gradient.

    >>> embedding_backward([[1.0], [2.0], [4.0]], [1, 0, 1], 2)
    array([[2.],
           [5.]])
    """
    tokens, dy = np.asarray(tokens), numbers(dy)
    dV = zeros((vocabulary, dy.shape[-1]), dy)
    for position in np.ndindex(*tokens.shape):
        for j in range(dV.shape[1]):
            dV[tokens[position], j] += dy[(*position, j)]
    return dV
