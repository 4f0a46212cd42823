"""What may come to the core's door: any layout, NaN and infinities, aliases; and what may not."""

import numpy as np
import pytest

from minihash import core
from minihash.core import gather, matmul, matmul_backward, scatter_add
from minihash.hashes import Dirichlet, Identity, Lookup, Modulus, Uniform
from minihash.weights import VirtualWeight
from tests.support import core_cases as cc

every_backend = pytest.mark.parametrize("backend", cc.BACKENDS)
every_dtype = pytest.mark.parametrize("dtype", cc.DTYPES, ids=["float32", "float64"])

W = VirtualWeight((5, 7), Uniform(4, 3, True), first_id=2**32 - 9)
BATCH = 3
INPUTS = {"table": (4,), "dV": (5, 7), "x": (BATCH, 7), "dy": (BATCH, 5)}


def inputs(dtype: type, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: cc.whole(rng, shape, dtype) for name, shape in INPUTS.items()}


def operations(a: dict[str, np.ndarray], backend: str, w: VirtualWeight = W) -> list[np.ndarray]:
    return [
        gather(a["table"], w, backend),
        scatter_add(a["dV"], w, backend),
        matmul(a["x"], a["table"], w, backend),
        *matmul_backward(a["dy"], a["x"], a["table"], w, backend),
    ]


def equal(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for f, e in zip(found, expected, strict=True):
        assert f.dtype == e.dtype and f.dtype.isnative and f.flags.c_contiguous
        np.testing.assert_array_equal(f, e)


def unaligned(a: np.ndarray) -> np.ndarray:
    buffer = np.empty(a.nbytes + 1, np.uint8)
    view = buffer[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    assert not view.flags.aligned
    return view


def read_only(a: np.ndarray) -> np.ndarray:
    a = a.copy()
    a.flags.writeable = False
    return a


LAYOUTS = {
    "fortran": np.asfortranarray,
    "reversed": lambda a: a[..., ::-1].copy()[..., ::-1],
    "every other": lambda a: np.repeat(a, 2, -1)[..., ::2],
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "other byte order, strided": lambda a: np.repeat(a, 3, 0).astype(a.dtype.newbyteorder())[::3],
    "read-only": read_only,
    "unaligned": unaligned,
    "list": lambda a: a.tolist() if a.dtype == np.float64 else a,
}


@every_backend
@every_dtype
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_of_an_input_does_not_matter(backend, dtype, layout):
    plain = inputs(dtype)
    expected = operations(plain, "numpy")
    equal(operations({k: LAYOUTS[layout](v) for k, v in plain.items()}, backend), expected)
    for name in plain:  # one at a time: nothing hangs on both being odd
        equal(operations({**plain, name: LAYOUTS[layout](plain[name])}, backend), expected)


@every_backend
def test_inputs_are_never_written(backend):
    a = inputs(np.float64)
    before = {k: v.copy() for k, v in a.items()}
    operations(a, backend)
    for k in a:
        np.testing.assert_array_equal(a[k], before[k])


@every_backend
@pytest.mark.parametrize("hash_", [Identity(35), Modulus(35), Uniform(35, 1)], ids=repr)
def test_outputs_are_freshly_allocated(backend, hash_):
    """Not views of inputs, nor of the last call's results, nor of kept working memory."""
    w = VirtualWeight((5, 7), hash_)
    a, b = ({**inputs(np.float64, seed), "table": np.arange(35.0) + seed} for seed in (1, 2))
    first = operations(a, backend, w)
    kept = [f.copy() for f in first]
    second = operations(b, backend, w)
    for k, f in enumerate(first):
        np.testing.assert_array_equal(f, kept[k])
        assert f.flags.writeable
        for other in [*a.values(), *b.values(), *second, *first[:k]]:
            assert not np.shares_memory(f, other)
        f[...] = 99  # a caller may write on what it got
    equal(operations(b, backend, w), second)


@every_backend
@every_dtype
def test_inputs_may_share_memory(backend, dtype):
    w = VirtualWeight((6, 6), Modulus(12))
    x = cc.whole(np.random.default_rng(4), (2, 6), dtype)
    table = x.reshape(-1)
    apart = matmul_backward(x.copy(), x.copy(), table.copy(), w, backend)
    equal(list(matmul_backward(x, x, table, w, backend)), list(apart))
    equal([matmul(x, table, w, backend)], [matmul(x.copy(), table.copy(), w, backend)])
    backwards = table[::-1].reshape(2, 6)
    apart = matmul_backward(backwards.copy(), x.copy(), table.copy(), w, backend)
    equal(list(matmul_backward(backwards, x, table, w, backend)), list(apart))


@every_backend
@every_dtype
def test_an_empty_batch_gives_zero_gradients(backend, dtype):
    a = inputs(dtype)
    y = matmul(a["x"][:0], a["table"], W, backend)
    dx, dtable = matmul_backward(a["dy"][:0], a["x"][:0], a["table"], W, backend)
    assert (y.shape, dx.shape) == ((0, 5), (0, 7))
    np.testing.assert_array_equal(dtable, np.zeros(4))
    assert y.dtype == dx.dtype == dtable.dtype == dtype


# Sign 0, +1, -1, +1; buckets 0, 1, 2, 1.
MISSING = VirtualWeight((2, 2), Lookup(3, [0, 1, 2, 1], [0, 1, -1, 1]))


@every_backend
@every_dtype
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_connection_is_zero_whatever_the_table_holds(backend, dtype, bad):
    table = np.array([bad, 2, 3], dtype)
    np.testing.assert_array_equal(gather(table, MISSING, backend), [[0, 2], [-3, 2]])
    dV = np.array([[bad, 1], [2, 4]], dtype)
    np.testing.assert_array_equal(scatter_add(dV, MISSING, backend), [0, 5, -2])
    y = matmul(np.array([[5, 7]], dtype), table, MISSING, backend)
    np.testing.assert_array_equal(y, [[14, -1]])
    dx, dtable = matmul_backward(
        np.array([[1, 10]], dtype), np.array([[5, 7]], dtype), table, MISSING, backend
    )
    np.testing.assert_array_equal(dx, [[-30, 22]])
    np.testing.assert_array_equal(dtable, [0, 77, -50])


@every_dtype
def test_a_bucket_that_is_picked_has_a_sign(dtype):
    w = VirtualWeight(W.shape, Dirichlet(4, 0.5, 3, signed=True), first_id=2**32 - 9)
    equal(*(operations(inputs(dtype), backend, w) for backend in ("numba", "numpy")))


@every_backend
@every_dtype
def test_nan_and_infinities_propagate(backend, dtype):
    """By IEEE rules, whose classes (NaN, infinity, finite) do not depend on the order of sums."""
    rng = np.random.default_rng(8)
    for _ in range(40):
        a = inputs(dtype, int(rng.integers(2**32)))
        for name in rng.choice(list(INPUTS), 2):
            at = tuple(rng.integers(0, INPUTS[name]))
            a[name][at] = rng.choice([np.nan, np.inf, -np.inf])
        with np.errstate(invalid="ignore"):  # of the oracle; the core itself warns of nothing
            V = cc.gathered(a["table"], W)
            expected = [
                V,
                cc.scattered(a["dV"], W),
                cc.product(a["x"], V),
                cc.product(a["dy"], V.T),
                cc.scattered(cc.product(a["dy"].T, a["x"].T), W),
            ]
        for found, exact in zip(operations(a, backend), expected, strict=True):
            np.testing.assert_array_equal(found, exact.astype(dtype))


@every_backend
def test_sums_beyond_the_range_of_float32_are_infinite(backend):
    dV = np.full((5, 7), 3e38, np.float32)
    w = VirtualWeight((5, 7), Modulus(2))
    np.testing.assert_array_equal(scatter_add(dV, w, backend), [np.inf, np.inf])


A = inputs(np.float64)
HALF = inputs(np.float32)
FLAT = VirtualWeight((35,), W.hash)
TABLE, X, DY, DV = (A[name] for name in ("table", "x", "dy", "dV"))
REFUSED = {
    "table of float16": (gather, (TABLE.astype(np.float16), W), TypeError, "float16"),
    "table of integers": (gather, (TABLE.astype(int), W), TypeError, "int64"),
    "table of booleans": (gather, (TABLE > 0, W), TypeError, "bool"),
    "table of complex numbers": (gather, (TABLE + 0j, W), TypeError, "complex128"),
    "table of extended precision": (gather, (TABLE.astype(np.longdouble), W), TypeError, "float"),
    "table of objects": (gather, (TABLE.astype(object), W), TypeError, "object"),
    "table of strings": (gather, (TABLE.astype(str), W), TypeError, "<U"),
    "no table": (gather, (None, W), TypeError, "object"),
    "table too small": (gather, (TABLE[:3], W), ValueError, r"\(4,\), got \(3,\)"),
    "table too large": (gather, (np.ones(5), W), ValueError, r"\(4,\), got \(5,\)"),
    "table of two dimensions": (gather, (TABLE[None], W), ValueError, r"\(1, 4\)"),
    "table of a named weight": (
        gather,
        (TABLE[:3], VirtualWeight((2,), Modulus(4), table="layer7")),
        ValueError,
        "layer7",
    ),
    "dV transposed": (scatter_add, (DV.T, W), ValueError, r"\(5, 7\), got \(7, 5\)"),
    "dV flat": (scatter_add, (DV.reshape(-1), W), ValueError, r"\(35,\)"),
    "dV of integers": (scatter_add, (DV.astype(int), W), TypeError, "int64"),
    "x of another width": (matmul, (X[:, :6], TABLE, W), ValueError, r"\(3, 6\)"),
    "x of one example": (matmul, (X[0], TABLE, W), ValueError, r"\(7,\)"),
    "x of three dimensions": (matmul, (X[None], TABLE, W), ValueError, r"\(1, 3, 7\)"),
    "x of another dtype": (matmul, (HALF["x"], TABLE, W), TypeError, "float32"),
    "x of integers": (matmul, (X.astype(int), TABLE, W), TypeError, "int64"),
    "table of another dtype": (matmul, (X, HALF["table"], W), TypeError, "float32"),
    "table of the product too small": (matmul, (X, TABLE[:3], W), ValueError, r"\(3,\)"),
    "weight of one dimension": (matmul, (X, TABLE, FLAT), ValueError, r"\(35,\)"),
    "dy of another width": (matmul_backward, (DY[:, :4], X, TABLE, W), ValueError, r"\(3, 4\)"),
    "dy of another batch": (matmul_backward, (DY[:2], X, TABLE, W), ValueError, "2"),
    "dy of another dtype": (matmul_backward, (HALF["dy"], X, TABLE, W), TypeError, "float32"),
    "x and dy exchanged": (matmul_backward, (X, DY, TABLE, W), ValueError, r"\(3, "),
    "table of the backward pass": (matmul_backward, (DY, X, TABLE[1:], W), ValueError, r"\(3,\)"),
}


@every_backend
@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_at_the_door(backend, case, monkeypatch):
    function, arguments, error, message = REFUSED[case]

    def kernel(*_: object) -> None:
        raise AssertionError("a kernel saw bad input")

    for name in ("gather", "scatter_add", "matmul", "matmul_backward"):
        monkeypatch.setattr(f"minihash.core.{backend}.{name}", kernel)
    with pytest.raises(error, match=message) as caught:
        function(*arguments, backend=backend)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("hash_", [Identity(400_000), Modulus(999)])
def test_a_weight_whose_buckets_run_in_several_parts(hash_):
    """Larger than what one thread reads at once: read by slices of the table."""
    w = VirtualWeight((500, 800), hash_)
    for dtype in (np.float32, np.float64):
        table = (np.arange(hash_.buckets) % 97).astype(dtype)
        V = core.gather(table, w, "numba")
        np.testing.assert_array_equal(V, core.gather(table, w, "numpy"))
        found = core.scatter_add(V, w, "numba")
        np.testing.assert_array_equal(found, core.scatter_add(V, w, "numpy"))
