"""The vectors of the hashes that are told how many identifiers there are."""

from math import inf
from typing import Any

from reference.cases.hash_groups import IDENTIFIERS, LAST, OF_HASHES, group, spec


def documents() -> dict[str, dict[str, Any]]:
    """The files of this module by name.

    >>> documents()["sparse"]["section"]
    '3. Hashes'
    """
    groups = {
        "balanced": balanced_groups(),
        "quantile": quantile_groups(),
        "sparse": sparse_groups(),
    }
    return {name: OF_HASHES | {"groups": found} for name, found in groups.items()}


def balanced_groups() -> list[dict[str, Any]]:
    """Groups of balanced.json.

    >>> sorted(balanced_groups()[1]["buckets"])
    [0, 0, 1, 1, 2]
    """

    def of(catches: str, buckets: int, domain: int, **fields: Any) -> dict[str, Any]:
        ids = range(domain) if domain < 100 else (i for i in IDENTIFIERS if i < domain)
        return group(catches, spec("Balanced", buckets=buckets, domain=domain, **fields), ids)

    return [
        of("a grid of one identifier", 5, 1),
        of("a last row that is short", 3, 5),
        of("a last row that is full", 3, 16),
        of("a row begun by one identifier", 97, 17, seed=1),
        of("a seed that is not used", 97, 17, seed=LAST),
        of("the word of a round before", 2**31 - 1, 2**32 + 1, seed=1),
        of("coordinates in 16 bits", 2**31 - 1, 2**52, seed=LAST),
        of("signs from the rounds' stream", 10, 17, seed=1691, signed=True),
    ]


def quantile_groups() -> list[dict[str, Any]]:
    """Groups of quantile.json.

    >>> quantile_groups()[1]["buckets"]
    [0, 0, 1, 1, 1, 2, 2]
    """

    def of(catches: str, buckets: int, domain: int, alpha: float, **fields: Any) -> dict[str, Any]:
        fields |= {"buckets": buckets, "domain": domain, "alpha": alpha}
        ids = range(domain) if domain < 100 else (i for i in IDENTIFIERS if i < domain)
        return group(catches, spec("Quantile", **fields), ids)

    return [
        of("a table of one entry", 1, 5, 0.5),
        of("starts rounded down, not to the nearest", 3, 7, inf),
        of("entries without a load: the last that starts there", 8, 20, 0.001),
        of("more entries than identifiers", 13, 5, 100.0),
        of("a seed that is not used", 8, 20, 1.0, seed=1),
        of("starts in float32", 1000, 2**52, 1.0, seed=LAST),
        of("signs from the buckets' stream", 8, 20, 1.0, seed=1691, signed=True),
    ]


def sparse_groups() -> list[dict[str, Any]]:
    """Groups of sparse.json.

    >>> sum(sparse_groups()[1]["signs"])
    3
    """

    def of(catches: str, buckets: int, domain: int, **fields: Any) -> dict[str, Any]:
        ids = range(domain) if domain < 100 else (i for i in IDENTIFIERS if i < domain)
        return group(catches, spec("Sparse", buckets=buckets, domain=domain, **fields), ids)

    return [
        of("all identifiers kept", 5, 5),
        of("one too many, or too few", 3, 17),
        of("a seed that is not used", 3, 17, seed=LAST),
        of("a draw a weight: a number kept that is random", 20, 80, seed=1),
    ]
