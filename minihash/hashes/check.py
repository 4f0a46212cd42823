"""Whether a hash keeps the contract of `Hash`, on a sample of identifiers.

    in range     0 <= bucket(i) < buckets, sign(i) in {-1, 0, +1}; both integers
    one body     NumPy's reading = Numba's, identifier by identifier (= a loop, if one is given)
    run          bucket(i) = bucket(s) + i - s and sign(i) = sign(s), s = i - i mod run
    domain       identifiers beyond it are refused
    a value      equal fields make equal hashes; a pickle comes back equal

The sample: the first identifiers, the edges of the domain and of 32-bit words, the neighbourhoods
of multiples of the buckets and of the run, and identifiers at random. What no identifier of the
sample shows stays unseen.
"""

import dataclasses
import pickle
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from minihash.checks import check_count
from minihash.compile.body import compiled
from minihash.hashes.hash import MAX_BUCKETS, Hash
from minihash.hashes.xxh32 import U64, stream, xxh32

Loop = Callable[[int], tuple[int, int]]
SIGNS = (-1, 0, 1)


def check_hash(hash_: Hash, count: int = 1000, loop: Loop | None = None) -> None:
    """Check a hash on some multiple of `count` identifiers, the same ones each time.

    loop: the definition in plain integers, identifier -> (bucket, sign), to be compared with.
    Raises ValueError that says which identifier it is, what was expected and what came; TypeError
    for what is no hash.

    >>> from minihash.hashes import Modulus
    >>> check_hash(Modulus(7), loop=lambda i: (i % 7, 1))
    >>> check_hash(Modulus(7), loop=lambda i: (i // 7, 1))
    Traceback (most recent call last):
    ValueError: Modulus: identifier 1 must have bucket 0 as in the loop, got 1
    """
    if not isinstance(hash_, Hash):
        raise TypeError(f"check_hash needs a hash derived from Hash, got {hash_!r}; build it first")
    count, who = check_count("count", count, 1, 2**24), type(hash_).__name__
    _check_numbers(hash_, who)
    ids = sample(hash_, count)
    buckets, signs = _read(hash_, ids, who)
    for what, values, method in (("bucket", buckets, hash_.bucket), ("sign", signs, hash_.sign)):
        _same(who, ids, what, values, method(ids), f"from the method {what}, as the body gives")
    for part, (what, values) in enumerate((("bucket", buckets), ("sign", signs))):
        if (body := hash_.bodies[part]) is not None:
            found = _by_numba(body, ids, hash_.state[part], f"{who}: the {what}")
            _same(who, ids, what, values, found, "with Numba as with NumPy: cast every step")
    if loop is not None:
        expected = [loop(int(i)) for i in ids]
        _same(who, ids, "bucket", [bucket for bucket, _ in expected], buckets, "as in the loop")
        _same(who, ids, "sign", [sign for _, sign in expected], signs, "as in the loop")
    _check_run(hash_, ids, buckets, signs, who)
    _check_domain(hash_, who)
    _check_value(hash_, who)


def sample(hash_: Hash, count: int) -> np.ndarray:
    """Identifiers of the domain that show what is wrong, if something is: uint64, increasing.

    >>> from minihash.hashes import Identity
    >>> sample(Identity(5), 1000)
    array([0, 1, 2, 3, 4], dtype=uint64)
    """
    domain = hash_.domain
    words = np.arange(count, dtype=U64)
    high, low = (xxh32(words, stream(0, f"check/{half}")).astype(U64) for half in ("high", "low"))
    drawn = [int(word) % max(domain, 1) for word in high << U64(32) | low]
    near = {0, 2**31, 2**32, 2**63, domain}
    for step in {hash_.buckets, hash_.run} - {1}:
        near |= {i - i % step for i in (domain, *drawn[: count // 4])} | {step, 2 * step}
    found = {*range(count), *drawn, *(i + d for i in near for d in (-1, 0, 1))}
    return np.array(sorted(i for i in found if 0 <= i < domain), U64)


def _check_numbers(hash_: Hash, who: str) -> None:
    """buckets, domain and run are integers that can be, and the constants begin with buckets."""
    limits = {"buckets": (1, MAX_BUCKETS), "domain": (0, 2**64), "run": (1, 2**64 - 1)}
    for name, (low, high) in limits.items():
        value = getattr(hash_, name)
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"{who}: {name} must be an integer in {low} .. {high}, got {value!r}")
    first = hash_.state[0][0]
    if type(first) is not U64 or first != hash_.buckets:
        raise ValueError(
            f"{who}: its constants must begin with np.uint64({hash_.buckets}), the buckets, by "
            f"which the residue is taken, got {first!r}"
        )


def _read(hash_: Hash, ids: np.ndarray, who: str) -> tuple[np.ndarray, np.ndarray]:
    """Buckets and signs as NumPy reads the bodies, of any integer dtype, proved to be in range."""
    (bucket, sign), (of_bucket, of_sign) = hash_.bodies, hash_.state
    buckets = _by_numpy(bucket, ids, of_bucket, f"{who}: the bucket")
    wrong = (buckets < 0) | (buckets >= hash_.buckets)
    allowed = f"a bucket in 0 .. {hash_.buckets - 1}"
    _none(who, ids, wrong, buckets, f"{allowed}; take it modulo the buckets")
    if sign is None:
        return buckets, np.ones(ids.shape, np.int8)
    signs = _by_numpy(sign, ids, of_sign, f"{who}: the sign")
    _none(who, ids, ~np.isin(signs, SIGNS), signs, "sign -1, 0 or +1")
    return buckets, signs


def _by_numpy(body: Callable, ids: np.ndarray, state: tuple, what: str) -> np.ndarray:
    def read(some: np.ndarray) -> Any:
        try:
            return body(some, state)
        except Exception as error:
            return error

    found = read(ids)
    if isinstance(found, Exception):
        alone = [i for i in ids if isinstance(read(np.array([i])), Exception)]
        where = f"identifier {alone[0]}" if alone else "an array of identifiers, without branches"
        raise ValueError(
            f"{what} of {where} must be read by NumPy, got {type(found).__name__}: {found}"
        ) from found
    if np.shape(found) != ids.shape:
        raise ValueError(
            f"{what} must have the shape of the identifiers, {ids.shape}, got {np.shape(found)}"
        )
    if found.dtype.kind not in "iu":
        raise ValueError(
            f"{what} of identifier {ids[0]} must be an integer, got {found[0]} of dtype "
            f"{found.dtype}; cast every step to U64 or U32"
        )
    return found


def _by_numba(body: Callable, ids: np.ndarray, state: tuple, what: str) -> list[Any]:
    """As Numba computes it for one identifier after another; where Numba is missing, as Python."""
    from minihash.compile.jit import njit  # not before: it takes a while to import

    scalar = compiled(body, njit)
    try:
        if isinstance(scalar, FunctionType):
            return [body(ids[k : k + 1], state)[0] for k in range(ids.size)]
        return [scalar(i, state) for i in ids]
    except Exception as error:
        text = str(error).strip().replace("\n", " ")[:300]
        raise ValueError(
            f"{what} must be compiled by Numba, got {type(error).__name__}: {text}"
        ) from error


def _check_run(
    hash_: Hash, ids: np.ndarray, buckets: np.ndarray, signs: np.ndarray, who: str
) -> None:
    if hash_.run == 1:
        return
    offsets = ids % U64(hash_.run)
    starts, sign = _read(hash_, ids - offsets, who)
    why = f"since its run is {hash_.run}; a run of 1 claims nothing"
    _same(who, ids, "bucket", starts.astype(U64) + offsets, buckets, why)
    _same(who, ids, "sign", sign, signs, why)


def _check_domain(hash_: Hash, who: str) -> None:
    """Lookups beyond an array read what is behind it, unless the door is shut."""
    for method in (hash_.bucket, hash_.sign) if hash_.domain < 2**64 else ():
        try:
            found = method(np.array([hash_.domain], U64))[0]
        except ValueError:
            continue
        raise ValueError(
            f"{who}: identifier {hash_.domain} must be refused by a ValueError, since the domain "
            f"ends before it, got {found}"
        )


def _check_value(hash_: Hash, who: str) -> None:
    parameters = getattr(type(hash_), "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        raise ValueError(f"{who} must be a frozen dataclass: write @dataclass(frozen=True)")
    try:
        again = dataclasses.replace(hash_)
        same = again == hash_ and hash(again) == hash(hash_)
        copy = pickle.loads(pickle.dumps(hash_))
    except Exception as error:
        raise ValueError(
            f"{who} must be hashable and picklable, as a frozen dataclass at the top of a module "
            f"is, got {type(error).__name__}: {error}"
        ) from error
    if not same:
        raise ValueError(f"{who} must be equal to another of its fields, got {again!r}, {hash_!r}")
    if copy != hash_:
        raise ValueError(f"{who} must be equal to its own pickle, got {copy!r}, {hash_!r}")


def _same(who: str, ids: np.ndarray, what: str, expected: Any, found: Any, why: str) -> None:
    """Refuse the first value that differs, in number or in being an integer."""
    for i, want, have in zip(ids, expected, found, strict=True):
        if have != want or not isinstance(have, int | np.integer):
            raise ValueError(f"{who}: identifier {i} must have {what} {want} {why}, got {have}")


def _none(who: str, ids: np.ndarray, wrong: np.ndarray, found: np.ndarray, allowed: str) -> None:
    if wrong.any():
        k = int(wrong.argmax())
        raise ValueError(f"{who}: identifier {ids[k]} must have {allowed}, got {found[k]}")
