"""A trained model for machines without Python: one file of C, as small as its tables.

    c.py          the program: data, one function a layer, and predict
    c_hashes.py   identifier -> entry of a table, in C
    c_layers.py   each layer, in C

Virtual weights are read out of their tables where they are needed, so that the program holds what
the model's file holds: tables and other parameters, no matrix.
"""

from minihash.exports.c import to_c

__all__ = ["to_c"]
