"""Room 3, behind the core: what gives a weight V where no hash on one table does.

    V = f(tables),    dV -> the gradient of each table

Dense, Conv2d and Embedding take a virtual weight, or one of these in its place. Each is made of
virtual weights, so that its parameters are tables, which may be hashed and shared themselves. A new
one is a new file and a name here; source.py says what it answers.
"""

from minihash.sources.combined import Product, Scaled, Sum
from minihash.sources.cosine import Cosine
from minihash.sources.gaussian import Gaussian
from minihash.sources.hypernetwork import Hypernetwork
from minihash.sources.low_rank import LowRank
from minihash.sources.rows import Rows, hash_embedding, quotient_remainder
from minihash.sources.source import Source, Weight, add, source_of

__all__ = [
    "Cosine",
    "Gaussian",
    "Hypernetwork",
    "LowRank",
    "Product",
    "Rows",
    "Scaled",
    "Source",
    "Sum",
    "Weight",
    "add",
    "hash_embedding",
    "quotient_remainder",
    "source_of",
]
