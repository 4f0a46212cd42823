"""Hypothesis strategies for hashes, and the readings of a hash that the tests compare.

`hashes` draws any hash, nested ones too: for the NumPy reading. `KINDS` are the kinds whose kernels
the core's tests compile, each with free hyperparameters: a kind costs about a second, its
parameters nothing.
"""

import math
from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from minihash.core import gather
from minihash.hashes import (
    HASHES,
    Balanced,
    Blocks,
    Compose,
    Dirichlet,
    Hash,
    HashedNets,
    Identity,
    Lookup,
    Modulus,
    Neighborhood,
    Quantile,
    Roast,
    Robe,
    Sparse,
    Toeplitz,
    Uniform,
)
from minihash.weights import VirtualWeight

EDGES = [0, 1, 255, 2**16, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]

seeds = st.sampled_from([0, 1, 2**31, 2654435761, 2**32 - 1]) | st.integers(0, 2**32 - 1)
identifiers = st.sampled_from(EDGES) | st.integers(0, 2**64 - 1)
table_sizes = st.sampled_from([1, 2, 3, 4, 16, 97]) | st.integers(1, 300)
alphas = st.sampled_from([1e-3, 0.01, 0.1, 1.0, 10.0, 1e6, math.inf])
signed = st.booleans()
domains = st.sampled_from([1, 2, 2**26, 2**52]) | st.integers(1, 300) | st.integers(1, 2**52)

drawn = st.one_of(  # hashes that are defined for every identifier
    st.builds(Modulus, table_sizes, seeds, signed),
    st.builds(Uniform, table_sizes, seeds, signed),
    st.builds(Dirichlet, table_sizes, alphas, seeds, signed),
    st.builds(Neighborhood, table_sizes, st.integers(0, 500), seeds, signed),
)


@st.composite
def lookups(draw: st.DrawFn, size: int) -> Lookup:
    """A Lookup of `size` identifiers, with signs -1, 0, +1 or without."""
    n = draw(table_sizes)
    assignment = draw(st.lists(st.integers(0, n - 1), min_size=size, max_size=size))
    signs = st.none() | st.lists(st.integers(-1, 1), min_size=size, max_size=size)
    values = draw(signs)
    return Lookup(n, np.array(assignment, int), None if values is None else np.array(values, int))


@st.composite
def toeplitzes(draw: st.DrawFn) -> Toeplitz:
    """A Toeplitz hash on one axis or two, whose windows fit."""
    axes, groups = draw(st.sampled_from([1, 2])), draw(st.integers(1, 3))

    def numbers(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(st.integers(low, high), min_size=axes, max_size=axes)))

    taps, stride, padding, dilation = numbers(1, 4), numbers(1, 3), numbers(0, 3), numbers(1, 3)
    spans = ((k - 1) * d + 1 for k, d in zip(taps, dilation, strict=True))
    least = [max(1, span - 2 * p) for span, p in zip(spans, padding, strict=True)]
    sizes = (n + more for n, more in zip(least, numbers(0, 6), strict=True))
    channels, out_channels = (groups * draw(st.integers(1, 3)) for _ in range(2))
    return Toeplitz((channels, *sizes), (out_channels, *taps), stride, padding, dilation, groups)


@st.composite
def block_hashes(draw: st.DrawFn) -> Hash:
    """Blocks, Robe or Roast."""
    size, more = draw(st.integers(1, 20)), draw(st.integers(1, 30))
    if draw(st.booleans()):
        kept = draw(lookups(draw(st.integers(0, 12))))
        return Blocks(kept.buckets * size, size, kept.assignment, kept.signs)
    numbers = draw(st.none() | st.just((45007, 1, 45006, 2)))
    seed, signs, columns = draw(seeds), draw(signed), draw(st.integers(1, 70))
    if draw(st.booleans()):
        row = draw(st.none() | st.just(columns))
        return Robe(size + more - 1, size, row, seed, signs, numbers)
    tile = draw(st.integers(1, 9)), size
    return Roast(math.prod(tile) + more, columns, tile, seed, signs, numbers)


@st.composite
def written(draw: st.DrawFn) -> Hash:
    """A hash that is defined for a few identifiers only."""
    fan_in, fan_out = draw(st.integers(1, 110)), draw(st.integers(1, 12))
    return draw(
        st.builds(Identity, st.integers(1, 300))
        | st.builds(Balanced, table_sizes, domains, seeds, signed)
        | st.builds(Quantile, table_sizes, domains, alphas, seeds, signed)
        | st.integers(1, 300).flatmap(
            lambda n: st.builds(Sparse, st.integers(1, n), st.just(n), seeds)
        )
        | st.integers(0, 60).flatmap(lookups)
        | block_hashes()
        | toeplitzes()
        | st.builds(
            HashedNets,
            table_sizes,
            st.just(fan_in),
            st.just(fan_out),
            seeds,
            st.sampled_from(["W", "B"]),
        )
    )


@st.composite
def composed(draw: st.DrawFn, inner: st.SearchStrategy[Hash]) -> Compose:
    """inner, then a hash that is defined for all its buckets."""
    first = draw(inner)
    second = draw(drawn | lookups(first.buckets))
    return Compose(first, second)


hashes = drawn | written() | composed(drawn | written()) | composed(composed(drawn))


@st.composite
def hashes_and_identifiers(draw: st.DrawFn) -> tuple[Hash, list[int]]:
    """A hash and up to 20 identifiers of its domain, its edges among them."""
    hash_ = draw(hashes)
    last = hash_.domain - 1
    inside = st.integers(0, last) | st.just(last) | identifiers.filter(lambda i: i <= last)
    return hash_, draw(st.lists(inside, max_size=20)) if last >= 0 else []


def spec_of(hash_: Hash) -> dict:
    """{"type", field: value ...}, as vectors and files write a hash."""
    fields = {name: getattr(hash_, name) for name in hash_.__dataclass_fields__}
    for name, value in fields.items():
        if isinstance(value, tuple):
            fields[name] = list(value)
        if isinstance(value, Hash):
            fields[name] = spec_of(value)
        elif isinstance(value, np.ndarray):
            fields[name] = value.tolist()
    return {"type": type(hash_).__name__} | fields


def build(spec: dict) -> Hash:
    """The hash of {"type", field: value ...}."""
    fields = {name: value for name, value in spec.items() if name != "type"}
    for name in ("inner", "outer"):
        if name in fields:
            fields[name] = build(fields[name])
    if fields.get("alpha") == {"float": "inf"}:
        fields["alpha"] = math.inf
    return HASHES[spec["type"].lower()](**fields)


def numba_reading(hash_: Hash, first_id: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(buckets, signs) of a block of identifiers, read off a gather in the Numba backend."""
    table = np.arange(1.0, hash_.buckets + 1)
    V = gather(table, VirtualWeight((size,), hash_, first_id=first_id), backend="numba")
    return np.abs(V).astype(np.intp) - 1, np.sign(V).astype(np.int8)


def _lookup(shape: tuple[int, ...], n: int, seed: int, signs: bool) -> Lookup:
    rng = np.random.default_rng(seed)
    size = math.prod(shape)
    return Lookup(n, rng.integers(0, n, size), rng.integers(-1, 2, size) if signs else None)


def _blocks(shape: tuple[int, ...], n: int, seed: int) -> Blocks:
    kept = _lookup((-(-math.prod(shape) // 6),), n, seed, True)
    return Blocks(6 * n, 6, kept.assignment, kept.signs)


# name -> the hash of that kind for a weight's shape, n buckets (Identity: as it needs) and a seed
KINDS: dict[str, Callable[[tuple[int, ...], int, int], Hash]] = {
    "identity": lambda shape, n, seed: Identity(math.prod(shape)),
    "modulus": lambda shape, n, seed: Modulus(n),
    "modulus-signed": lambda shape, n, seed: Modulus(n, seed, True),
    "uniform": lambda shape, n, seed: Uniform(n, seed),
    "uniform-signed": lambda shape, n, seed: Uniform(n, seed, True),
    "balanced": lambda shape, n, seed: Balanced(n, math.prod(shape), seed, True),
    "quantile": lambda shape, n, seed: Quantile(n, math.prod(shape), 0.3, seed),
    "sparse": lambda shape, n, seed: Sparse(min(n, math.prod(shape)), math.prod(shape), seed),
    "dirichlet": lambda shape, n, seed: Dirichlet(n, 0.3, seed),
    "neighborhood-signed": lambda shape, n, seed: Neighborhood(n, seed % n // 2, seed, True),
    "neighborhood-wide": lambda shape, n, seed: Neighborhood(n, n + seed % 7, seed),
    "hashednets": lambda shape, n, seed: HashedNets(n, shape[-1], math.prod(shape[:-1]), seed),
    "toeplitz": lambda shape, n, seed: Toeplitz((2, math.prod(shape)), (2, 3), padding=1),
    "lookup": lambda shape, n, seed: _lookup(shape, n, seed, False),
    "lookup-signed": lambda shape, n, seed: _lookup(shape, n, seed, True),
    "blocks-signed": lambda shape, n, seed: _blocks(shape, n, seed),
    "robe": lambda shape, n, seed: Robe(n + 4, 5, None, seed),
    "roast-signed": lambda shape, n, seed: Roast(n + 12, shape[-1], (3, 4), seed, True),
    "compose": lambda shape, n, seed: Compose(Modulus(2 * n), Uniform(n, seed, True)),
}
BOUNDED = ("identity", "balanced", "quantile", "sparse", "hashednets", "toeplitz", "lookup")
BOUNDED += ("lookup-signed", "blocks-signed", "robe", "roast-signed")
ANYWHERE = [k for k in KINDS if k not in BOUNDED]
