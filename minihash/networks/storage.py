"""What a network stores: hashed tables, and all its other numbers.

A virtual weight is read through a hash; a table is what is stored of it. A free bias (a vector
under the identity hash, on a table of its own) is neither: it counts as another parameter, as do
the arrays of BatchNorm.
"""

import math

import numpy as np

from minihash.hashes import Identity, balance
from minihash.hashes.balance import Balance, of_load
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight


def tables(network: Sequential) -> dict[str, list[VirtualWeight]]:
    """The hashed tables, and the virtual weights that read each: all but free biases."""
    readers: dict[str, list[VirtualWeight]] = {}
    for w in network.weights():
        readers.setdefault(w.table, []).append(w)
    return {name: ws for name, ws in readers.items() if not _free_bias(ws)}


def balances(network: Sequential) -> dict[str, Balance]:
    """The balance of each hashed table, over all the weights that read it.

    >>> from minihash.networks.arbnet import arbnet
    >>> round(balances(arbnet((784, 200, 200, 10)))["table"].normalised_entropy, 3)
    0.995
    """
    return {
        name: of_load(np.sum([balance(w.hash, w.size, w.first_id).load for w in readers], axis=0))
        for name, readers in tables(network).items()
    }


def _free_bias(readers: list[VirtualWeight]) -> bool:
    only = readers[0]
    return len(readers) == 1 and len(only.shape) == 1 and isinstance(only.hash, Identity)


def counts(network: Sequential) -> dict[str, int]:
    """Virtual weights, the entries of their tables, and all other numbers of the network.

    >>> from minihash.networks.arbnet import arbnet
    >>> counts(arbnet((784, 200, 200, 10)))
    {'virtual_weights': 198800, 'stored_weights': 19880, 'other_parameters': 2050}
    """
    hashed = tables(network)
    free = [w.size for w in network.weights() if w.table not in hashed]
    arrays = [math.prod(shape) for layer in network.layers for shape, _ in layer.arrays().values()]
    return {
        "virtual_weights": sum(w.size for readers in hashed.values() for w in readers),
        "stored_weights": sum(readers[0].hash.buckets for readers in hashed.values()),
        "other_parameters": sum(free) + sum(arrays),
    }
