"""Models out of minihash and weights into it.

A trained model for machines without Python is one file of C, as small as its tables:

    c.py          the program: data, one function a layer, and predict
    c_hashes.py   identifier -> entry of a table, in C
    c_layers.py   each layer, in C
    state.py      weights in and out, as torch.nn names them

In C virtual weights are read out of their tables where they are needed: the program holds what the
model's file holds, tables and other parameters, no matrix.
"""

from minihash.exports.c import to_c
from minihash.exports.state import from_state, read_state, to_state

__all__ = ["from_state", "read_state", "to_c", "to_state"]
