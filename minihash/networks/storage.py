"""What a network stores: hashed tables, and all its other numbers.

A virtual weight is read through a hash; a table is what is stored of it. V of another source is
stored as the tables of those that it is made of, and counts with its own size. A free bias (a
vector under the identity hash, on a table of its own) is neither: it counts as another parameter,
as do the arrays of BatchNorm.
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
    biases = {
        s.table
        for s in network.sources()
        if isinstance(s, VirtualWeight) and len(s.shape) == 1 and isinstance(s.hash, Identity)
    }
    return {name: ws for name, ws in readers.items() if len(ws) > 1 or name not in biases}


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


def counts(network: Sequential) -> dict[str, int]:
    """Virtual weights, the entries of their tables, and all other numbers of the network.

    >>> from minihash.networks.arbnet import arbnet
    >>> counts(arbnet((784, 200, 200, 10)))
    {'virtual_weights': 198800, 'stored_weights': 19880, 'other_parameters': 2050}
    """
    hashed = tables(network)
    sources = network.sources()
    free = [s.size for s in sources if isinstance(s, VirtualWeight) and s.table not in hashed]
    arrays = [math.prod(shape) for layer in network.layers for shape, _ in layer.arrays().values()]
    return {
        "virtual_weights": sum(s.size for s in sources) - sum(free),
        "stored_weights": sum(readers[0].hash.buckets for readers in hashed.values()),
        "other_parameters": sum(free) + sum(arrays),
    }
