"""A small network, and its data, for the tests of training."""

import numpy as np

from minihash.hashes import Identity, Uniform
from minihash.layers import ELU, BatchNorm1d, Dense, Dropout
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight
from reference.training import batches, epoch_order

CLASSES = 3


def examples(count, seed=0):
    """(stored examples, labels): small integers, which `to_input` maps without rounding."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 17, (count, 6), np.uint8), rng.integers(0, CLASSES, count)


def to_input(batch, dtype):
    return (batch.astype(dtype) - 8) / 8


def small_network():
    """Two layers that share a table, a free bias, batch norm, dropout."""
    shared = Uniform(20, 3, signed=True)
    one = Dense(VirtualWeight((5, 6), shared), VirtualWeight((5,), Identity(5), "bias"))
    two = Dense(VirtualWeight((CLASSES, 5), shared, first_id=30))
    norms = BatchNorm1d("norm1", 5), BatchNorm1d("norm2", CLASSES)
    return Sequential((one, ELU(), norms[0], Dropout(0.25, seed=5), two, ELU(), norms[1]))


def batch_of(training, state, count):
    """The examples of the step that follows a state, by the loops."""
    order = epoch_order(count, state.epoch, training.seed)
    return batches(order, training.batch_size)[state.batch]
