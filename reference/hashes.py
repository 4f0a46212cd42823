"""Every hash: identifier -> (bucket, sign), one identifier at a time, in plain Python integers.

A function's arguments after the identifier are the hyperparameters of the hash of the same name.
Sources: ArbNets (arXiv 2312.08401) eqs. 1, 2, 8-10; HashedNets (arXiv 1504.04788) and its released
Lua code.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import inf

from reference.balanced import balanced, quantile, sparse
from reference.blocks import blocks, roast, robe
from reference.dirichlet import tables
from reference.streams import h, random_sign, scale, stream
from reference.toeplitz import toeplitz
from reference.xxh32 import xxh32

Hash = Callable[[int], tuple[int, int]]


def identity(i: int, buckets: int) -> tuple[int, int]:
    """bucket = i: nothing is shared. Needs i < buckets.

    >>> identity(3, buckets=10)
    (3, 1)
    """
    if not 0 <= i < buckets:
        raise ValueError(
            f"identity needs an identifier below {buckets}, got {i}; use a larger table"
        )
    return i, 1


def modulus(i: int, buckets: int, seed: int = 0, signed: bool = False) -> tuple[int, int]:
    """bucket = i mod n (ArbNets eq. 1).

    >>> modulus(13, buckets=10)
    (3, 1)
    """
    return i % buckets, random_sign(seed, i) if signed else 1


def uniform(i: int, buckets: int, seed: int = 0, signed: bool = False) -> tuple[int, int]:
    """bucket = scale(word of i in the stream "bucket", n) (ArbNets eq. 2).

    >>> 0 <= uniform(13, buckets=10)[0] < 10
    True
    """
    bucket = scale(h(stream(seed, "bucket"), i), buckets)
    return bucket, random_sign(seed, i) if signed else 1


def neighborhood(
    i: int, buckets: int, radius: int, seed: int = 0, signed: bool = False
) -> tuple[int, int]:
    """bucket = (i + an integer uniform over -radius ... radius) mod n (ArbNets eq. 10).

    >>> neighborhood(13, buckets=10, radius=0)
    (3, 1)
    """
    offset = scale(h(stream(seed, "bucket"), i), 2 * radius + 1) - radius
    return (i + offset) % buckets, random_sign(seed, i) if signed else 1


def dirichlet(
    i: int, buckets: int, alpha: float, seed: int = 0, signed: bool = False
) -> tuple[int, int]:
    """bucket ~ Multinomial(p), p ~ Dirichlet(alpha) (ArbNets eqs. 8-9); alpha = inf is `uniform`.

    column = scale(word of i in the stream "bucket", n);  word of i in the stream "coin":
    bucket = column if coin < threshold[column] else alias[column]

    >>> dirichlet(5, buckets=10, alpha=float("inf")) == uniform(5, buckets=10)
    True
    """
    column = scale(h(stream(seed, "bucket"), i), buckets)
    bucket = column
    if alpha != inf:
        threshold, alias = tables(buckets, alpha, seed)
        coin = h(stream(seed, "coin"), i)
        bucket = column if coin < threshold[column] else alias[column]
    return bucket, random_sign(seed, i) if signed else 1


def hashednets_key(i: int, fan_in: int, suffix: str) -> bytes:
    """The string that the released code hashes; output and input count from 1.

    output = i div fan_in + 1;  input = i mod fan_in + 1
    rep(a) = str(a) str(a + 1) str(a + 2);  key = rep(output) "_" rep(input) suffix

    >>> hashednets_key(0, fan_in=784, suffix="idxW")
    b'123_123idxW'
    """
    output, input_ = i // fan_in + 1, i % fan_in + 1
    rep_output = f"{output}{output + 1}{output + 2}"
    rep_input = f"{input_}{input_ + 1}{input_ + 2}"
    return f"{rep_output}_{rep_input}{suffix}".encode("ascii")


def hashednets(
    i: int, buckets: int, fan_in: int, fan_out: int, seed: int = 1691, tag: str = "W"
) -> tuple[int, int]:
    """HashedNets, to the letter of its released code, with buckets from 0.

    bucket = XXH32(key "idx" tag) mod K;  sign = +1 if XXH32(key "xi_" tag) is odd, else -1

    `tag` is "W" for weights and "B" for biases (fan_in = 1). Identifiers are row-major, below
    fan_out fan_in.

    >>> 0 <= hashednets(0, buckets=10, fan_in=4, fan_out=3)[0] < 10
    True
    """
    if not 0 <= i < fan_in * fan_out:
        raise ValueError(f"hashednets needs an identifier below {fan_in * fan_out}, got {i}")
    bucket = xxh32(hashednets_key(i, fan_in, "idx" + tag), seed) % buckets
    odd = xxh32(hashednets_key(i, fan_in, "xi_" + tag), seed) % 2 == 1
    return bucket, 1 if odd else -1


def lookup(
    i: int, buckets: int, assignment: Sequence[int], signs: Sequence[int] | None = None
) -> tuple[int, int]:
    """Any assignment: bucket = assignment[i], sign = signs[i] in {-1, 0, +1}, +1 without signs.

    >>> lookup(2, buckets=4, assignment=[3, 3, 0], signs=[1, 0, -1])
    (0, -1)
    """
    bucket = assignment[i]
    if not 0 <= bucket < buckets:
        raise ValueError(f"lookup needs buckets below {buckets}, got {bucket} for identifier {i}")
    return bucket, 1 if signs is None else signs[i]


def compose(i: int, inner: Hash, outer: Hash) -> tuple[int, int]:
    """One hash after another: bucket = outer(inner(i)), sign = product of both signs.

    >>> compose(13, partial(modulus, buckets=10), partial(modulus, buckets=2))
    (1, 1)
    """
    middle, inner_sign = inner(i)
    bucket, outer_sign = outer(middle)
    return bucket, inner_sign * outer_sign


LOOPS = {
    "Identity": identity,
    "Modulus": modulus,
    "Uniform": uniform,
    "Balanced": balanced,
    "Quantile": quantile,
    "Neighborhood": neighborhood,
    "Dirichlet": dirichlet,
    "HashedNets": hashednets,
    "Sparse": sparse,
    "Lookup": lookup,
    "Blocks": blocks,
    "Robe": robe,
    "Roast": roast,
    "Compose": compose,
    "Toeplitz": toeplitz,
}


def from_spec(spec: dict) -> Hash:
    """The hash of a JSON object {"type": ..., field: value ...}, as a function of the identifier.

    >>> from_spec({"type": "Modulus", "buckets": 10})(13)
    (3, 1)
    """
    fields = {name: value for name, value in spec.items() if name != "type"}
    for part in ("inner", "outer"):
        if part in fields:
            fields[part] = from_spec(fields[part])
    return partial(LOOPS[spec["type"]], **fields)
