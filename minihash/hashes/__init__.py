"""Room 1: identifier -> (bucket, sign). Every weight-sharing scheme is a hash function."""

from typing import Any

from minihash.hashes.balance import Balance, balance
from minihash.hashes.balanced import Balanced
from minihash.hashes.blocks import Blocks
from minihash.hashes.check import check_hash
from minihash.hashes.compose import Compose
from minihash.hashes.dirichlet import Dirichlet
from minihash.hashes.hash import Hash
from minihash.hashes.hashednets import HashedNets
from minihash.hashes.identity import Identity
from minihash.hashes.lookup import Lookup
from minihash.hashes.modulus import Modulus
from minihash.hashes.neighborhood import Neighborhood
from minihash.hashes.quantile import Quantile
from minihash.hashes.roast import Roast
from minihash.hashes.robe import Robe
from minihash.hashes.sparse import Sparse
from minihash.hashes.toeplitz import Toeplitz, border_balance
from minihash.hashes.uniform import Uniform

HASHES: dict[str, type[Any]] = {
    cls.__name__.lower(): cls
    for cls in (
        *(Identity, Modulus, Uniform, Balanced, Dirichlet, Quantile, Neighborhood, HashedNets),
        *(Robe, Roast, Sparse, Lookup, Blocks, Compose, Toeplitz),
    )
}

__all__ = [
    "HASHES",
    "Balance",
    "Balanced",
    "Blocks",
    "Compose",
    "Dirichlet",
    "Hash",
    "HashedNets",
    "Identity",
    "Lookup",
    "Modulus",
    "Neighborhood",
    "Quantile",
    "Roast",
    "Robe",
    "Sparse",
    "Toeplitz",
    "Uniform",
    "balance",
    "border_balance",
    "check_hash",
]
