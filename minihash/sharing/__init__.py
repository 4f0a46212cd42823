"""Room 9: sharing that is learned. All of it goes the same way:

    a trained network  ->  find a structure in its weights  ->  a new network, whose weights are
    VirtualWeights under a hash that says this structure (Lookup, or one by blocks), with tables
    ->  train again under it: of a shared weight only the table learns

rebuild.py has the steps between: `matrices` names the weights of a network, `values` reads them,
`share` gives chosen ones other hashes and tables. Biases, BatchNorm and all else are carried over.
A method is a file here, and an entry of `METHODS` (method.py says what it is): `minihash compress`
and everything from Python read it there.

    codebook    prune, then a codebook a layer: Deep Compression      codebook.py
    growl       inputs of a layer tied or dead: GrOWL                 growl.py, affinity.py
    soft        a mixture of Gaussians draws the weights together     soft.py
"""

from minihash.sharing.codebook import Codebook
from minihash.sharing.growl import Growl
from minihash.sharing.method import Method, Stage, moved
from minihash.sharing.rebuild import kept, matrices, share, values
from minihash.sharing.soft import Soft

METHODS: dict[str, type[Method]] = {"codebook": Codebook, "growl": Growl, "soft": Soft}

__all__ = ["METHODS", "Method", "Stage", "kept", "matrices", "moved", "share", "values"]
