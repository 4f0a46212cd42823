"""Models out of minihash and weights into it.

A trained model for machines without Python is one file of C, as small as its tables:

    c.py          the program: data, one function a layer, and predict
    c_hashes.py   identifier -> entry of a table, in C
    c_layers.py   each layer, in C

In C virtual weights are read out of their tables where they are needed: the program holds what the
model's file holds, tables and other parameters, no matrix. Weights as torch.nn names them go in and
out by files/state.py.
"""

from minihash.exports.c import to_c
from minihash.files.state import from_state, read_state, to_state

__all__ = ["from_state", "read_state", "to_c", "to_state"]
