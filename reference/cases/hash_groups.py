"""The vectors of every hash: buckets and signs of identifiers, and the Dirichlet hash's tables."""

import struct
from collections.abc import Iterable
from math import inf
from typing import Any

from reference.cases.large import table_groups
from reference.cases.stream_groups import IDENTIFIERS
from reference.dirichlet import exp, log_gamma_draw, tables, weights
from reference.hashes import from_spec
from reference.xxh32 import xxh32

LAYOUT = {
    "hash": "its name and hyperparameters",
    "identifiers": "uint64",
    "buckets": "the bucket of each identifier, from 0",
    "signs": "the sign of each identifier: -1, 0 or +1",
}
OF_HASHES = {
    "level": 1,
    "op": "hash",
    "section": "3. Hashes",
    "layout": LAYOUT,
    "answers": ["buckets", "signs"],
}
LAST = 2**32 - 1  # the last seed
# Identifiers whose coin is the threshold of their column, and one less, in the columns 0, 5 and 6
# of Dirichlet(8, alpha=1, seed=30); found by undoing XXH32.
COINS_AT_THRESHOLD = [143559102788, 4150274422, 4616739065, 42509493053, 14014805574, 13878826069]


def documents() -> dict[str, dict[str, Any]]:
    """The files of this module by name.

    >>> documents()["modulus"]["section"]
    '3. Hashes'
    """
    groups = {
        "identity": identity_groups(),
        "modulus": modulus_groups(),
        "uniform": uniform_groups(),
        "neighborhood": neighborhood_groups(),
        "dirichlet": dirichlet_groups(),
        "hashednets": hashednets_groups(),
        "lookup": lookup_groups(),
        "compose": compose_groups(),
    }
    files = {name: OF_HASHES | {"groups": found} for name, found in groups.items()}
    files["dirichlet"]["also"] = ["log_gammas", "exponentials", "weights", "threshold", "alias"]
    files["dirichlet"]["layout"] = LAYOUT | {
        "log_gammas": "logg_k, float64 in the shortest decimals that read back exactly",
        "exponentials": "exp(logg_k - max logg), the same",
        "weights": "w_k, integers in proportion to the drawn probabilities",
        "threshold": "the alias table's thresholds, uint32",
        "alias": "the alias table's other buckets",
        "threshold_sha256, alias_sha256": "of op tables: SHA-256 of little-endian uint32",
        "..._xxh32": "XXH32, seed 0, of such a list, little-endian: uint32, w_k uint64, float64",
    }
    return files


def spec(name: str, **fields: Any) -> dict[str, Any]:
    """A hash as the JSON object that `reference.hashes.from_spec` reads.

    >>> spec("Modulus", buckets=3)
    {'type': 'Modulus', 'buckets': 3}
    """
    return {"type": name} | fields


def group(
    catches: str, hash_spec: dict[str, Any], identifiers: Iterable[int] = IDENTIFIERS
) -> dict[str, Any]:
    """One group: buckets and signs of the identifiers.

    >>> group("", spec("Modulus", buckets=3), [4])["buckets"]
    [1]
    """
    hash_function = from_spec(hash_spec)
    identifiers = list(identifiers)
    pairs = [hash_function(i) for i in identifiers]
    return {
        "catches": catches,
        "hash": hash_spec,
        "identifiers": identifiers,
        "buckets": [bucket for bucket, _ in pairs],
        "signs": [sign for _, sign in pairs],
    }


def identity_groups() -> list[dict[str, Any]]:
    """Groups of identity.json.

    >>> identity_groups()[0]["buckets"]
    [0]
    """
    return [
        group("a table of one entry", spec("Identity", buckets=1), [0]),
        group("an offset of one", spec("Identity", buckets=12), range(12)),
        group(
            "identifiers cut to 16 bits", spec("Identity", buckets=2**31 - 1), [0, 2**16, 2**31 - 2]
        ),
    ]


def modulus_groups() -> list[dict[str, Any]]:
    """Groups of modulus.json.

    >>> modulus_groups()[0]["buckets"][:3]
    [0, 0, 0]
    """
    return [
        group("a table of one entry", spec("Modulus", buckets=1)),
        group("a power of two taken as a mask of 32 bits", spec("Modulus", buckets=2**16)),
        group("a modulus in float64, or of a signed 64-bit number", spec("Modulus", buckets=1000)),
        group("a table near 2^31", spec("Modulus", buckets=2**31 - 1)),
        group("unsigned signs", spec("Modulus", buckets=7, seed=0, signed=True)),
        group("a seed that is not used", spec("Modulus", buckets=7, seed=LAST, signed=True)),
    ]


def uniform_groups() -> list[dict[str, Any]]:
    """Groups of uniform.json.

    >>> set(uniform_groups()[0]["buckets"])
    {0}
    """
    return [
        group("a table of one entry", spec("Uniform", buckets=1)),
        group("word mod n in place of scale", spec("Uniform", buckets=2)),
        group("buckets outside the table", spec("Uniform", buckets=1000)),
        group("a seed that is not used", spec("Uniform", buckets=1000, seed=1)),
        group("a product of 32 bits", spec("Uniform", buckets=2**31 - 1, seed=LAST)),
        group(
            "signs from the buckets' stream", spec("Uniform", buckets=10, seed=1691, signed=True)
        ),
    ]


def neighborhood_groups() -> list[dict[str, Any]]:
    """Groups of neighborhood.json.

    >>> neighborhood_groups()[1]["buckets"] == modulus_groups()[2]["buckets"]
    True
    """

    def of(catches: str, buckets: int, radius: int, **fields: Any) -> dict[str, Any]:
        return group(catches, spec("Neighborhood", buckets=buckets, radius=radius, **fields))

    return [
        of("a table of one entry", 1, 5),
        of("radius 0 that is not the modulus hash", 1000, 0),
        of("a remainder that is negative below 0", 1000, 3),
        of("a seed that is not used", 1000, 3, seed=1),
        of("radius taken as the half-open range", 10, 1),
        of("radius n/2 - 1: all buckets but one", 10, 4, seed=7),
        of("radius n/2: one bucket twice as likely", 10, 5, seed=7),
        of("radius beyond n: several turns", 10, 1000, seed=7),
        of("2 radius + 1 in 32 bits", 1000, 2**31 - 1, seed=LAST),
        of("i + offset beyond 2^64: i is reduced first", 2**31 - 1, 2**30, seed=3),
        of("signs from the buckets' stream", 10, 2, seed=1691, signed=True),
    ]


def dirichlet_groups() -> list[dict[str, Any]]:
    """Groups of dirichlet.json, with the tables.

    >>> dirichlet_groups()[0]["threshold"]
    [0]
    """
    cases = [
        ("a table of one entry", 1, 0.5, 0),
        ("gamma variables that underflow to 0 / 0", 8, 0.001, 0),
        ("gamma variables that underflow, another seed", 8, 0.001, 12),
        ("small alpha: the boost by U^(1/alpha)", 8, 0.1, 0),
        ("alpha = 1", 8, 1.0, 0),
        ("a seed that is not used", 8, 1.0, 1),
        ("two buckets: an exchange of threshold and its complement", 2, 1.0, LAST),
        ("alpha = 100, an odd number of buckets", 13, 100.0, 5),
        ("alpha = 1e6: probabilities that rounding makes equal", 8, 1e6, 0),
        ("fused multiply-adds, or a library's log and exp: last bits of 1000 draws", 1000, 0.1, 0),
        ("the order in which light and heavy items are visited", 1000, 10.0, 3),
    ]
    groups = []
    for catches, buckets, alpha, seed in cases:
        fields = {"buckets": buckets, "alpha": alpha, "seed": seed}
        found = group(catches, spec("Dirichlet", **fields))
        draws = [log_gamma_draw(k, alpha, seed) for k in range(buckets)]
        exponentials = [exp(draw - max(draws)) for draw in draws]
        threshold, alias = tables(buckets, alpha, seed)
        for key, values, kind in (
            ("log_gammas", draws, "d"),
            ("exponentials", exponentials, "d"),
            ("weights", weights(buckets, alpha, seed), "Q"),
            ("threshold", threshold, "I"),
            ("alias", alias, "I"),
        ):
            if buckets <= 16:
                found[key] = values
            else:
                found[key + "_xxh32"] = digest(values, kind)
        groups.append(found)
    infinite = spec("Dirichlet", buckets=1000, alpha=inf, seed=4)
    signed = spec("Dirichlet", buckets=8, alpha=1.0, seed=0, signed=True)
    groups.append(group("alpha = inf that is not the uniform hash", infinite))
    groups.append(group("signs from the coin's or the buckets' stream", signed))
    equal = spec("Dirichlet", buckets=3, alpha=1e300, seed=6)
    large = spec("Dirichlet", buckets=2**21 + 1, alpha=inf, seed=9)
    edges = spec("Dirichlet", buckets=8, alpha=1.0, seed=30)
    groups.append(
        group("coin <= threshold in place of coin < threshold", edges, COINS_AT_THRESHOLD)
    )
    groups.append(group("equal weights: a light item that is filled by a heavy one", equal))
    groups.append(group("buckets from 2^21 on", large))
    return groups + table_groups()


def digest(values: list[int] | list[float], kind: str) -> int:
    """XXH32, seed 0, of little-endian numbers: kind "I" for uint32, "Q" uint64, "d" float64.

    >>> digest([], "I") == xxh32(b"")
    True
    """
    return xxh32(struct.pack(f"<{len(values)}{kind}", *values))


def hashednets_groups() -> list[dict[str, Any]]:
    """Groups of hashednets.json, with the keys of the buckets.

    >>> hashednets_groups()[0]["identifiers"][-1]
    11
    """
    long = [0, 9998, 9999, 99997, 99998, 99999, 119999, 120000, 3599999]
    wide = [0, 1, 8, 9, 99, 783, 784, 7055, 7056, 77616, 783999]

    def of(catches: str, identifiers: Iterable[int], **fields: Any) -> dict[str, Any]:
        return group(catches, spec("HashedNets", **fields), identifiers)

    return [
        of(
            "output and input exchanged, or counted from 0",
            range(12),
            buckets=7,
            fan_in=4,
            fan_out=3,
        ),
        of("numbers of 1 to 4 digits", wide, buckets=98000, fan_in=784, fan_out=1000),
        of("the biases' tag", range(12), buckets=5, fan_in=1, fan_out=12, tag="B"),
        of("a seed that is not used", range(12), buckets=7, fan_in=4, fan_out=3, seed=0),
        of("a table of one entry", range(4), buckets=1, fan_in=2, fan_out=2),
        of("scale in place of mod", range(4), buckets=2**31 - 1, fan_in=2, fan_out=2),
        of("numbers of 5 and 6 digits", long, buckets=10**6, fan_in=120000, fan_out=30),
    ]


def lookup_groups() -> list[dict[str, Any]]:
    """Groups of lookup.json.

    >>> lookup_groups()[1]["signs"]
    [1, 0, -1, 1]
    """
    assignment = [3, 3, 0, 2]
    signs = [1, 0, -1, 1]
    return [
        group(
            "signs that are not +1 by default",
            spec("Lookup", buckets=4, assignment=assignment),
            range(4),
        ),
        group(
            "a sign of 0 taken as a missing sign",
            spec("Lookup", buckets=4, assignment=assignment, signs=signs),
            range(4),
        ),
    ]


def compose_groups() -> list[dict[str, Any]]:
    """Groups of compose.json.

    >>> compose_groups()[0]["hash"]["type"]
    'Compose'
    """
    inner = spec("Uniform", buckets=100, seed=1, signed=True)
    outer = spec("Modulus", buckets=7, seed=2, signed=True)
    masked = spec(
        "Lookup", buckets=7, assignment=[6, 5, 4, 3, 2, 1, 0], signs=[1, 0, -1, 1, 0, -1, 1]
    )
    return [
        group(
            "inner and outer exchanged; the outer sign of the identifier, not of the bucket",
            spec("Compose", inner=inner, outer=outer),
        ),
        group(
            "three hashes, and a sign of 0 that a product must keep",
            spec("Compose", inner=spec("Compose", inner=inner, outer=outer), outer=masked),
        ),
    ]
