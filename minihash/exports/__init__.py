"""Models out of minihash and weights into it.

A trained model for machines without minihash is one file, as small as its tables: virtual weights
are read out of them there, as here. `dense` writes every weight out, for all three languages.

    formula.py        a hash as a list of steps, from its bodies: what no language writes by itself
    steps.py          a classifier as the steps that every language writes; dense
    text.py           formulas as text
    c.py              C99: data, one function a layer, and predict    c_hashes.py   c_layers.py
    numpy.py          a script of Python that needs NumPy alone       numpy_layers.py
    onnx.py           ONNX, in standard operators

Weights as torch.nn names them go in and out by files/state.py.
"""

from minihash.exports.c import to_c
from minihash.exports.numpy import to_numpy
from minihash.exports.onnx import to_onnx
from minihash.exports.steps import dense
from minihash.files.state import from_state, read_state, to_state

__all__ = ["dense", "from_state", "read_state", "to_c", "to_numpy", "to_onnx", "to_state"]
