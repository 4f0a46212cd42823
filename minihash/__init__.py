"""minihash: hashed weight-sharing networks from scratch, in NumPy and Numba.

Every weight-sharing scheme is a hash from a weight's identifier to a (bucket, sign):

    V[id] = sign(id) * table[bucket(id)]

Read it in this order: hashes, weights, core, layers, network, training, data, checkpoint, cli.
"""

__version__ = "0.1.0"
