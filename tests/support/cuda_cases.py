"""The cases of the GPU backend. `test_cuda.py` runs this file in a process of its own: in the
simulator always, on a GPU where there is one. The simulator runs a thread for each of a block's
threads, and so most cases in small blocks.

Values are compared with the normative backend bit for bit, on integers in few buckets; bounds are
derived in `cuda_kernels`. Each mutant of the kernels must fail the check that is named beside it.
"""

import gc
import math
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from numba import cuda

from minihash import core
from minihash.checks import on_device
from minihash.core import cuda as cuda_backend
from minihash.core import numpy as numpy_backend
from minihash.core.cuda import device
from minihash.core.cuda import kernels as cuda_kernels
from minihash.hashes import (
    Compose,
    Dirichlet,
    HashedNets,
    Identity,
    Lookup,
    Modulus,
    Neighborhood,
    Toeplitz,
    Uniform,
)
from minihash.weights import VirtualWeight
from tests.support.core_cases import rewritten
from tests.support.cuda_support import (
    ANY,
    FAILURES,
    FLOATS,
    SIMULATED,
    SMALL,
    mutated,
    same,
    small_blocks,  # noqa: F401
    use_kernels,
    whole,
)

# The simulator computes in NumPy scalars: they warn where XXH32 wraps and where a float overflows.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")

SHAPE = (9, 8) if SIMULATED else (170, 160)
SIZE = math.prod(SHAPE)
HASHES = {
    "identity": Identity(SIZE),
    "modulus": Modulus(5),
    "modulus signed": Modulus(5, signed=True),
    "uniform": Uniform(3, seed=1),
    "uniform signed": Uniform(3, seed=1, signed=True),
    "dirichlet": Dirichlet(6, alpha=0.5, signed=True),
    "dirichlet, alpha infinite": Dirichlet(6, alpha=math.inf),
    "neighborhood": Neighborhood(9, radius=2, signed=True),
    "neighborhood, wide": Neighborhood(4, radius=7),
    "hashednets": HashedNets(5, SHAPE[1], SHAPE[0]),
    "lookup": Lookup(4, ANY.integers(0, 4, SIZE)),
    "lookup signed": Lookup(4, ANY.integers(0, 4, SIZE), signs=ANY.integers(-1, 2, SIZE)),
    "toeplitz": Toeplitz((2, 3, 4), (2, 2, 3), stride=(1, 2), padding=1),
    "compose": Compose(Modulus(40, signed=True), Uniform(3, signed=True)),
    "compose lookup": Compose(Uniform(9), Lookup(2, ANY.integers(0, 2, 9), ANY.integers(-1, 2, 9))),
}


# Checks: each takes the backend, so that mutants can be put to them.


def check_gather(backend: ModuleType, hash_=HASHES["uniform signed"], dtype=np.float32) -> None:
    w = VirtualWeight(SHAPE, hash_)
    table = whole(hash_.buckets, dtype=dtype)
    same(backend.gather(table, w), numpy_backend.gather(table, w))


def check_scatter_add(backend: ModuleType, hash_=HASHES["uniform signed"], dtype=np.float32):
    w = VirtualWeight(SHAPE, hash_)
    dV = whole(*SHAPE, dtype=dtype)
    expected = numpy_backend.scatter_add(dV, w)
    same(backend.scatter_add(dV, w), expected)
    same(backend.scatter_add(dV, w, deterministic=False), expected)


def check_products(
    backend: ModuleType, hash_=HASHES["uniform signed"], dtype=np.float32, shape=SHAPE, batch=3
) -> None:
    w = VirtualWeight(shape, hash_)
    table, x, dy = whole(hash_.buckets), whole(batch, shape[1]), whole(batch, shape[0])
    table, x, dy = (array.astype(dtype) for array in (table, x, dy))
    same(backend.matmul(x, table, w), numpy_backend.matmul(x, table, w))
    dx, dtable = backend.matmul_backward(dy, x, table, w)
    expected = numpy_backend.matmul_backward(dy, x, table, w)
    same(dx, expected[0])
    same(dtable, expected[1])


def check_rows(backend: ModuleType) -> None:
    """Some rows, one of them three times, of a weight and of its transpose."""
    w = VirtualWeight(SHAPE, Uniform(5, signed=True), first_id=3)
    rows = np.array([5, 0, 7, 5, 5], np.intp)
    for view in (w, w.T):
        table, dE = whole(5), whole(5, view.shape[1])
        same(backend.gather_rows(table, view, rows), numpy_backend.gather_rows(table, view, rows))
        expected = numpy_backend.scatter_add_rows(dE, rows, view)
        same(backend.scatter_add_rows(dE, rows, view), expected)
        same(backend.scatter_add_rows(dE, rows, view, deterministic=False), expected)


def check_transposed(backend: ModuleType) -> None:
    w = VirtualWeight((2, 5, 7), Uniform(5, signed=True), first_id=3).T
    table, dV = whole(5), whole(7, 5, 2)
    same(backend.gather(table, w), numpy_backend.gather(table, w))
    same(backend.scatter_add(dV, w), numpy_backend.scatter_add(dV, w))


def check_transposed_products(backend: ModuleType) -> None:
    w = VirtualWeight((9, 8), Uniform(5, signed=True), first_id=3).T
    table, x, dy = whole(5), whole(3, 9), whole(3, 8)
    same(backend.matmul(x, table, w), numpy_backend.matmul(x, table, w))
    ours = backend.matmul_backward(dy, x, table, w)
    for got, expected in zip(ours, numpy_backend.matmul_backward(dy, x, table, w), strict=True):
        same(got, expected)


def check_tiles(backend: ModuleType) -> None:
    """Several tiles each way, ragged ones at the edges, and K cut into parts."""
    shape, batch = ((13, 33), 9) if SIMULATED else ((333, 337), 300)
    check_products(backend, Uniform(7, signed=True), shape=shape, batch=batch)


def check_range(backend: ModuleType) -> None:
    """Terms of all magnitudes, with the limbs of a small weight and of one of 2^31 entries."""
    for dtype in FLOATS:
        for bits in (backend.limb_bits(300), 31):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(backend, "limb_bits", lambda terms, bits=bits: bits)
                check_sums(backend, dtype)


def check_sums(backend: ModuleType, dtype: type) -> None:
    """From subnormal to nearly the largest; in half of the buckets from one magnitude, where half
    of the terms nearly cancel the others."""
    info = np.finfo(dtype)
    exponents = np.sort(ANY.integers(info.minexp - info.nmant, info.maxexp - 8, 300))
    dV = np.ldexp(ANY.uniform(0.5, 1, 300), exponents)
    dV[1::2] = -dV[::2] * (1 + ANY.standard_normal(150) * 2.0 ** ANY.integers(-50, 0, 150))
    bucket = np.where(np.arange(300) // 10 % 2, np.arange(300) // 10, ANY.integers(30, 90, 300))
    dV = dV.astype(dtype)
    dtable = backend.scatter_add(dV, VirtualWeight(dV.shape, Lookup(90, bucket)))
    for k in range(90):
        terms = dV[bucket == k].astype(np.float64)
        exact, total = math.fsum(terms), math.fsum(abs(terms))
        if terms.size <= 1:
            assert dtable[k] == exact
        nu = terms.size * float(info.eps) / 2
        bound = nu / (1 - nu) * total + abs(exact) * 2.0**-53  # fsum rounds as well
        assert abs(float(dtable[k]) - exact) <= bound, (dtype, terms, dtable[k])


def check_infinities(backend: ModuleType) -> None:
    inf, nan = math.inf, math.nan
    terms = [[1, 2], [inf, 1, inf], [-inf, 3], [inf, -inf], [nan, 1], [nan, inf], [3e38, 3e38]]
    expected = np.array([3, inf, -inf, nan, nan, nan, inf], np.float32)
    dV = np.array([v for bucket in terms for v in bucket], np.float32)
    bucket = [k for k, bucket in enumerate(terms) for _ in bucket]
    w = VirtualWeight(dV.shape, Lookup(7, bucket))
    np.testing.assert_array_equal(backend.scatter_add(dV, w), expected)


def check_missing(backend: ModuleType) -> None:
    """A missing connection is 0, beside infinities in the table and in dV too."""
    w = VirtualWeight((2, 2), Lookup(2, [0, 1, 0, 1], signs=[0, 1, 0, -1]))
    table = np.array([math.inf, 3], np.float32)
    same(backend.gather(table, w), np.array([[0, 3], [0, -3]], np.float32))
    x = np.array([[2, 5]], np.float32)
    same(backend.matmul(x, table, w), np.array([[15, -15]], np.float32))
    dV = np.array([[math.nan, 1], [math.inf, 4]], np.float32)
    for deterministic in (True, False):
        dtable = backend.scatter_add(dV, w, deterministic=deterministic)
        same(dtable, np.array([0, -3], np.float32))


def check_order(backend: ModuleType) -> None:
    """The same terms in other orders give the same bits: what makes runs repeat themselves."""
    dV = ANY.standard_normal(300).astype(np.float32)
    bucket = ANY.integers(0, 2, 300)
    orders = [np.arange(300), np.arange(300)[::-1], ANY.permutation(300)]
    weights = [VirtualWeight((300,), Lookup(2, bucket[order])) for order in orders]
    sums = [backend.scatter_add(dV[p], w).tobytes() for p, w in zip(orders, weights, strict=True)]
    assert sums[0] == sums[1] == sums[2]


@pytest.mark.parametrize("name", HASHES)
def test_gather(name):
    check_gather(cuda_backend, HASHES[name])


@pytest.mark.parametrize("name", HASHES)
def test_scatter_add(name):
    check_scatter_add(cuda_backend, HASHES[name])


@pytest.mark.parametrize("name", ["modulus", "dirichlet", "hashednets", "lookup signed", "compose"])
def test_products(name):
    check_products(cuda_backend, HASHES[name])


def test_float64():
    check_gather(cuda_backend, dtype=np.float64)
    check_scatter_add(cuda_backend, dtype=np.float64)
    check_products(cuda_backend, dtype=np.float64)


def test_rows():
    check_rows(cuda_backend)


def test_transposed():
    check_transposed(cuda_backend)
    check_transposed_products(cuda_backend)


def test_tiles():
    check_tiles(cuda_backend)


def test_range():
    check_range(cuda_backend)


def test_infinities():
    check_infinities(cuda_backend)


def test_missing():
    check_missing(cuda_backend)


def test_order():
    check_order(cuda_backend)


def test_order_matters_to_floats():
    def scatter_add(dV, w):
        return cuda_backend.scatter_add(dV, w, deterministic=False)

    with pytest.raises(AssertionError):
        check_order(SimpleNamespace(scatter_add=scatter_add))


def test_blocks_of_their_true_size(monkeypatch):
    use_kernels(monkeypatch, cuda_kernels)
    check_gather(cuda_backend)
    check_products(cuda_backend, shape=(130, 17), batch=1)


@pytest.mark.parametrize("first_id", [2**32 - 9, 2**63 - 9, 2**64 - SIZE])
def test_far_identifiers(first_id):
    for hash_ in (Neighborhood(9, radius=3, signed=True), Modulus(7)):
        w = VirtualWeight(SHAPE, hash_, first_id=first_id)
        table, dV = whole(hash_.buckets), whole(*SHAPE)
        same(cuda_backend.gather(table, w), numpy_backend.gather(table, w))
        same(cuda_backend.scatter_add(dV, w), numpy_backend.scatter_add(dV, w))


def test_empty_batch():
    w = VirtualWeight((3, 4), Uniform(5))
    table, x, dy = whole(5), whole(0, 4), whole(0, 3)
    assert cuda_backend.matmul(x, table, w).shape == (0, 3)
    dx, dtable = cuda_backend.matmul_backward(dy, x, table, w)
    assert dx.shape == (0, 4)
    same(dtable, np.zeros(5, np.float32))
    none = np.zeros(0, np.intp)
    assert cuda_backend.gather_rows(table, w, none).shape == (0, 4)
    same(cuda_backend.scatter_add_rows(whole(0, 4), none, w), np.zeros(5, np.float32))


def test_blocks_too_many(monkeypatch):
    """On a GPU small launches get more blocks than they need."""
    monkeypatch.setattr(device, "fewest_blocks", lambda: 3)
    check_gather(cuda_backend)
    check_scatter_add(cuda_backend)
    check_products(cuda_backend)


def test_fewer_blocks_than_elements(monkeypatch):
    monkeypatch.setattr(device, "MOST_BLOCKS", 1)
    check_gather(cuda_backend)
    check_scatter_add(cuda_backend)


def test_through_the_door():
    """The registry's functions: results are fresh, inputs stay as they are and may be read-only."""
    w = VirtualWeight((4, 3), Uniform(5, signed=True))
    table, x, dy, dV = whole(5), whole(2, 3), whole(2, 4), whole(4, 3)
    before = [array.copy() for array in (table, x, dy, dV)]
    for array in (table, x, dy, dV):
        array.flags.writeable = False
    with core.use("cuda"):
        same(core.gather(table, w), numpy_backend.gather(table, w))
        same(core.scatter_add(dV, w), numpy_backend.scatter_add(dV, w))
        same(core.matmul(x, table, w), numpy_backend.matmul(x, table, w))
        ours = core.matmul_backward(dy, x, table, w)
        for got, expected in zip(ours, numpy_backend.matmul_backward(dy, x, table, w), strict=True):
            same(got, expected)
        with pytest.raises(TypeError, match="float32 or float64"):
            core.gather(np.arange(5), w)
    for array, copy in zip((table, x, dy, dV), before, strict=True):
        assert array.tobytes() == copy.tobytes()


def test_device_arrays():
    w = VirtualWeight((4, 3), Uniform(5, signed=True))
    table, x, dy = whole(5), whole(2, 3), whole(2, 4)
    far = cuda.to_device(table)
    y = core.matmul(x, far, w, backend="cuda")
    dx, dtable = core.matmul_backward(dy, x, far, w, backend="cuda")
    V = core.gather(far, w, backend="cuda")
    dtable_again = core.scatter_add(V, w, backend="cuda")
    for result in (y, dx, dtable, V, dtable_again):
        assert on_device(result)
    expected_V = numpy_backend.gather(table, w)
    same(V.copy_to_host(), expected_V)
    same(y.copy_to_host(), x @ expected_V.T)
    same(dx.copy_to_host(), dy @ expected_V)
    same(dtable.copy_to_host(), numpy_backend.scatter_add(dy.T @ x, w))
    same(dtable_again.copy_to_host(), numpy_backend.scatter_add(expected_V, w))
    same(far.copy_to_host(), table)


def test_device_arrays_are_refused():
    w = VirtualWeight((4, 3), Uniform(5))
    with pytest.raises(TypeError, match="must be float32 or float64, got int64"):
        core.gather(cuda.to_device(np.arange(5)), w, backend="cuda")
    with pytest.raises(ValueError, match=r"shape \(5,\), got \(6,\)"):
        core.gather(cuda.to_device(whole(6)), w, backend="cuda")
    with pytest.raises(ValueError, match=r"shape \(any, 3\), got \(2, 4\)"):
        core.matmul(cuda.to_device(whole(2, 4)), whole(5), w, backend="cuda")
    with pytest.raises(ValueError, match="C-contiguous"):
        core.scatter_add(cuda.to_device(whole(3, 4)).T, w, backend="cuda")


@pytest.mark.skipif(SIMULATED, reason="the simulator has no __cuda_array_interface__")
def test_arrays_of_another_library():
    class Foreign:
        """All that is known of another library's array."""

        def __init__(self, array):
            self.array, self.__cuda_array_interface__ = array, array.__cuda_array_interface__

    w = VirtualWeight((4, 3), Uniform(5, signed=True))
    table = whole(5)
    V = core.gather(Foreign(cuda.to_device(table)), w, backend="cuda")
    same(V.copy_to_host(), numpy_backend.gather(table, w))


@pytest.mark.skipif(SIMULATED, reason="too large for the simulator")
def test_runs_repeat_themselves():
    """A million real terms in 10 buckets; the products of a layer."""
    w = VirtualWeight((1000, 1024), Uniform(10, signed=True))
    arrays = [ANY.standard_normal(s).astype(np.float32) for s in ((64, 1000), (64, 1024), (10,))]
    dV = ANY.standard_normal(w.shape).astype(np.float32)
    runs = set()
    for _ in range(5):
        dx, dtable = cuda_backend.matmul_backward(*arrays, w)
        y = cuda_backend.matmul(*arrays[1:], w)
        runs.add(b"".join(a.tobytes() for a in (dx, dtable, y, cuda_backend.scatter_add(dV, w))))
    assert len(runs) == 1


def test_constants_are_copied_once_and_freed():
    cuda_backend.gather(whole(4), VirtualWeight(SHAPE, HASHES["lookup"]))
    gc.collect()
    before = dict(device._resident)
    assert id(HASHES["lookup"].assignment) in before
    hash_ = Lookup(4, ANY.integers(0, 4, SIZE))
    for _ in range(2):
        cuda_backend.gather(whole(4), VirtualWeight(SHAPE, hash_))
    (copy,) = device._resident.keys() - before.keys()
    assert copy == id(hash_.assignment)
    del hash_
    gc.collect()
    assert device._resident.keys() == before.keys()


def test_a_body_written_anew_is_compiled_anew():
    for step in (2, 3, 2):
        w = VirtualWeight((3, 4), rewritten(step)(7))
        table = whole(7)
        same(cuda_backend.gather(table, w), numpy_backend.gather(table, w))


ADD_HIGH = "if high != 0:\n        cuda.atomic.add(limbs, k, high)"
MUTANTS = [  # what is mutated, what it becomes, the check that must fail
    ("V[k] = weight(table, locate(U64(k)", "V[k] = weight(table, locate(U64(0)", check_gather),
    ("k //= shape[axis]", "k //= shape[0]", check_transposed),
    ("U64(rows[k // width])", "k // width", check_rows),
    ("(n0 + n) * o[3]", "n0 + n", check_transposed_products),
    ("return v if s > 0 else -v", "return v", check_gather),
    ("if s == 0:\n        return real(0)", "pass", check_missing),
    ("if s != 0:\n        add", "if True:\n        add", check_missing),
    ("v if s > 0 else -v)", "v)", check_scatter_add),
    ("cuda.atomic.add(out[0], k, v)", "out[0][k] = v", check_scatter_add),
    ("spill(out, locate(U64(k), where), dV[k]", "spill(out, U64(k), dV[0]", check_scatter_add),
    ("if size > out[0][k]", "if size < out[0][k]", check_range),
    ("abs(v) if v == v else real(math.inf)", "abs(v)", check_infinities),
    (ADD_HIGH, "limbs[k] = high", check_scatter_add),
    ("if low != 0:", "if False:", check_range),
    ("bits - e)\n", "40 - e)\n", check_range),
    ("np.int64(not v > -math.inf)", "np.int64(0)", check_infinities),
    ("elif high > 0 and low > 0", "elif high > 1 and low > 1", check_infinities),
    ("dtable[k] = floating(", "dtable[k] += floating(", check_scatter_add),
    ("for p in range(1, parts)", "for p in range(2, parts)", check_tiles),
    ("inside = k0 + k < K and m0 + m < M", "inside = m0 + m < M", check_tiles),
    ("block // tiles_m % tiles_n * TILE_N", "block % tiles_n * TILE_N", check_tiles),
    ("p * length + length, K), DEPTH", "p * length + DEPTH, K), DEPTH", check_tiles),
    ("sums[r * EACH + c] += left * right", "sums[r * EACH + c] = left * right", check_products),
]


@pytest.mark.skipif(not SIMULATED, reason="what a mutant does on a GPU is undefined")
@pytest.mark.parametrize("old, new, check", MUTANTS)
def test_mutants_fail(old, new, check, monkeypatch):
    use_kernels(monkeypatch, mutated(cuda_kernels, SMALL | {old: new}))
    with pytest.raises(FAILURES):
        check(cuda_backend)
