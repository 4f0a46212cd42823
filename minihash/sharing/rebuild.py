"""A trained network with other hashes for chosen weights.

    V = sign(id) table[bucket(id)]       V' = sign'(id') table'[bucket'(id')],   id' from 0

The new weight has identifiers of its own, row-major from 0, and a table of its own under its own
name. Views of one weight (w and w.T) stay views of one. A vector that was hashed into a table which
a chosen weight leaves is freed, since it would keep the whole table.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, replace

import numpy as np

from minihash import core
from minihash.hashes import Hash, Identity, Lookup
from minihash.layers.layer import Layer
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight

Params = dict[str, np.ndarray]
Shared = tuple[Hash, np.ndarray] | tuple[Hash, np.ndarray, bool]


def matrices(network: Sequential) -> dict[str, VirtualWeight]:
    """The weights of two or more axes by name, in order; a weight and its views are there once.

    A name is the layer's class, its place among the layers that have weights, and the field.

    >>> from minihash.networks.cnn import cnn
    >>> {name: w.shape for name, w in matrices(cnn((8, 8), 3, (4,), (5,))).items()}
    {'conv1.weight': (4, 1, 3, 3), 'dense2.weight': (5, 64), 'dense3.weight': (3, 5)}
    """
    found: dict[VirtualWeight, tuple[str, VirtualWeight]] = {}
    for name, layer in _named(network):
        for field, w in _weights_of(layer).items():
            if len(w.shape) > 1:
                found.setdefault(_itself(w), (f"{name}.{field}", w))
    return dict(found.values())


def values(network: Sequential, params: Params) -> Params:
    """V of each of `matrices`, in full, in its shape and the dtype of its table.

    >>> from minihash.networks.arbnet import arbnet
    >>> net = arbnet((4, 3, 2))
    >>> {name: V.shape for name, V in values(net, net.init()).items()}
    {'dense1.weight': (3, 4), 'dense2.weight': (2, 3)}
    """
    return {name: core.gather(params[w.table], w) for name, w in matrices(network).items()}


def share(
    network: Sequential, params: Params, chosen: Mapping[str, Shared]
) -> tuple[Sequential, Params]:
    """The network and its parameters, with (hash, table) for each chosen weight.

    chosen: by the names of `matrices`. A hash is asked for the identifiers 0 .. size - 1 of its
    weight, row-major; with True after the table, down the columns, as those of w.T. A table has an
    entry a bucket, and becomes one of the dtype of the others.
    Raises ValueError for another name, a hash that is too small or a table of another size.

    >>> from minihash.networks.arbnet import arbnet
    >>> net = arbnet((4, 3, 2), norm="none")
    >>> hash_, table = Lookup.from_weights(np.tile([0.5, 0.0, -1.0], (2, 1)))
    >>> new, numbers = share(net, net.init(), {"dense2.weight": (hash_, table)})
    >>> values(new, numbers)["dense2.weight"]
    array([[ 0.5,  0. , -1. ],
           [ 0.5,  0. , -1. ]], dtype=float32)
    """
    known = matrices(network)
    if strange := [name for name in chosen if name not in known]:
        raise ValueError(
            f"there is no weight {strange[0]!r} in this network: it has {', '.join(known)}"
        )
    dtype = next(iter(params.values())).dtype
    names = {_itself(w): name for name, w in known.items()}
    left = {known[name].table for name in chosen}  # tables that a chosen weight leaves

    def freed(w: VirtualWeight) -> bool:
        return len(w.shape) == 1 and w.table in left

    others = [w for w in network.weights() if names.get(_itself(w)) not in chosen]
    taken = {w.table for w in others if not freed(w)}
    taken |= {name for layer in network.layers for name in layer.arrays()}
    new, tables, layers = {}, {}, []
    for name, (hash_, table, *down) in chosen.items():
        if np.shape(table) != (hash_.buckets,):
            raise ValueError(
                f"the table of {name} must have {hash_.buckets} entries, one a bucket, got shape "
                f"{np.shape(table)}"
            )
        own = _unused(name, taken)
        w = known[name]
        new[_itself(w)] = w, VirtualWeight(w.shape, hash_, own, transposed=any(down))
        tables[own] = np.asarray(table).astype(dtype)
    for name, layer in _named(network):
        changes = {}
        for field, w in _weights_of(layer).items():
            if _itself(w) in new:
                first, found = new[_itself(w)]
                changes[field] = found if w.transposed == first.transposed else found.T
            elif freed(w):
                own = _unused(f"{name}.{field}", taken | tables.keys())
                changes[field] = VirtualWeight(w.shape, Identity(w.size), own)
                tables[own] = core.gather(params[w.table], w)
        layers.append(replace(layer, **changes))
    whole = Sequential(tuple(layers))
    read = {w.table for w in whole.weights()} | {n for f in layers for n in f.arrays()}
    return whole, {name: x for name, x in (params | tables).items() if name in read}


def kept(mask: np.ndarray) -> Lookup:
    """The hash of a tensor that is pruned and nothing else: a bucket for each True, in order.

    >>> hash_ = kept(np.array([[True, False], [True, True]]))
    >>> hash_.buckets, hash_.bucket(np.arange(4)) * hash_.sign(np.arange(4))
    (3, array([0, 0, 1, 2]))
    """
    mask = np.asarray(mask, bool).reshape(-1)
    places = np.maximum(np.cumsum(mask) - 1, 0) * mask
    return Lookup(max(int(mask.sum()), 1), places, mask)


def _named(network: Sequential) -> Iterator[tuple[str, Layer]]:
    """Each layer with its name: its class, and its place among those that have weights."""
    k = 0
    for layer in network.layers:
        k += bool(layer.weights())
        yield re.sub(r"\dd$", "", type(layer).__name__).lower() + str(k), layer


def _weights_of(layer: Layer) -> dict[str, VirtualWeight]:
    values = {field.name: getattr(layer, field.name) for field in fields(layer)}
    return {name: w for name, w in values.items() if isinstance(w, VirtualWeight)}


def _itself(w: VirtualWeight) -> VirtualWeight:
    """What w is a view of."""
    return w.T if w.transposed else w


def _unused(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "'"
    return name
