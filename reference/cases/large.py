"""Cases of which the loops are not asked each time: a recipe, and the SHA-256 of what they say.

    threshold_sha256, alias_sha256    of the tables of section 4 as little-endian uint32

An entry of a large table that is off by one shows in hardly any bucket: the tables themselves are
asked for. `python -m reference.cases.large` asks the loops again, in some minutes.
"""

import struct
from hashlib import sha256
from typing import Any

from reference.dirichlet import tables

# Most masses w_k n are odd numbers beyond 2^53: 5 2^19 + 1 buckets of nearly equal weights.
LARGE = {"type": "Dirichlet", "buckets": 5 * 2**19 + 1, "alpha": 1000.0, "seed": 7}
DIGESTS = {
    "threshold_sha256": "6ee7e62cf6cb2bd16795c8a40fd943e875da6c5d0323f38b66b86039b80bd978",
    "alias_sha256": "4af6523fc5cfc5ea5d0037853af58f706909be6f40fdf509eda1dfa5265c7c7a",
}
EQUAL = {"type": "Dirichlet", "buckets": 3, "alpha": 1e300, "seed": 6}
SMALL = {"type": "Dirichlet", "buckets": 8, "alpha": 1.0, "seed": 30}


def digests(hash: dict[str, Any]) -> dict[str, str]:
    """The SHA-256 of its tables, by the loops.

    >>> digests({"buckets": 1, "alpha": 1.0, "seed": 0})["alias_sha256"][:8]
    'df3f6198'
    """
    names = ("threshold_sha256", "alias_sha256")
    pair = tables(hash["buckets"], hash["alpha"], hash["seed"])
    packed = (struct.pack(f"<{len(values)}I", *values) for values in pair)
    return {name: sha256(data).hexdigest() for name, data in zip(names, packed, strict=True)}


def table_groups() -> list[dict[str, Any]]:
    """Groups of the op "tables".

    >>> [group["hash"]["buckets"] for group in table_groups()]
    [8, 3, 2621441]
    """
    asked = [
        ("threshold and alias exchanged, or written big-endian", SMALL, digests(SMALL)),
        ("equal weights: heavy items that are no heavier than W", EQUAL, digests(EQUAL)),
        ("masses in float64, which cannot hold them from 2^21 buckets on", LARGE, DIGESTS),
    ]
    return [
        {"op": "tables", "catches": catches, "hash": hash, **found, "answers": [*found]}
        for catches, hash, found in asked
    ]


if __name__ == "__main__":
    found = digests(LARGE)
    assert found == DIGESTS, f"the loops say {found}"
    print(f"the loops say the same of {LARGE['buckets']:,} buckets")
