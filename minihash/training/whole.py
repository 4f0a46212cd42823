"""Training steps that a backend does in one call (core/perceptron.py).

A network of Dense, each followed by an activation, a BatchNorm1d, both or neither, under the
cross-entropy and plain SGD, is one that a backend may know a whole step of. The bits are those of
`loop.step`; so whether it is taken is a question of time alone. To compile it takes some seconds,
once for each version of the sources and each kind of hash: from `PAYS` steps on they come back, and
where it has been compiled before it is taken in any case.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from minihash import core
from minihash.hashes import Identity
from minihash.layers import ELU, BatchNorm1d, Dense, ReLU, Sigmoid, Tanh
from minihash.networks.sequential import Sequential
from minihash.training.optimisers import SGD
from minihash.weights import VirtualWeight

PAYS = 8192  # steps


def blocks(network: Sequential) -> list[core.Block] | None:
    """The network as blocks; None if it is of something else.

    >>> from minihash.networks import arbnet
    >>> [block.bias for block in blocks(arbnet((4, 3, 2)))]
    ['dense1.bias', 'dense2.bias']
    """
    found: list[core.Block] = []
    for layer in network.layers:
        last = found[-1] if found else None
        if type(layer) is Dense:
            w, b = layer.weight, layer.bias
            if not isinstance(w, VirtualWeight) or not (b is None or is_free(b)):
                return None
            found.append(core.Block(w, None if b is None else b.table))
        elif last is None or last.norm:
            return None
        elif type(layer) is BatchNorm1d:
            found[-1] = last._replace(norm=core.Norm(layer.name, layer.eps, layer.momentum))
        elif type(layer) in (ReLU, ELU, Tanh, Sigmoid) and not last.activation:
            found[-1] = last._replace(activation=(type(layer).f, type(layer).f_backward))
        else:
            return None
    return found


def is_free(b: VirtualWeight) -> bool:
    """Whether a bias is a plain vector: the whole of a table, in order."""
    return type(b.hash) is Identity and b.shape == (b.hash.buckets,)


def whole_step(network: Sequential, training: Any, steps_left: int) -> Callable | None:
    """advance(state, x, labels, rate): the state after `loop.step`, or None where this backend does
    not have it. x: floats; labels: as `fitting_labels` gives them. None: no backend has it."""
    sgd, found = training.optimiser, blocks(network)
    plain = type(sgd) is SGD and not (sgd.weight_decay or sgd.nesterov or sgd.dampening)
    if not found or not plain or training.penalties or training.loss != "cross-entropy":
        return None
    made: dict[Any, core.Perceptron | None] = {}

    def advance(state: Any, x: np.ndarray, labels: np.ndarray, rate: float) -> Any:
        backend, dtype = core.get_backend(), x.dtype
        if (backend, dtype) not in made:
            own = core.perceptron(found, dtype)
            made[backend, dtype] = own if own and (own.ready() or steps_left >= PAYS) else None
        own = made[backend, dtype]
        if own is None or len(x) < 2 or x.ndim != 2:
            return None
        params, moved, loss, right = own.step(
            state.params, state.optimiser, x, labels, rate, sgd.momentum
        )
        return replace(
            state,
            params=params,
            optimiser=moved,
            batch=state.batch + 1,
            step=state.step + 1,
            loss_sum=state.loss_sum + loss * len(labels),
            correct=state.correct + right,
            seen=state.seen + len(labels),
        )

    return advance
