"""Products C = A B in tiles (kernels.py), where B is stored or virtual; and sums of columns.

A matrix is an array and three numbers: its entry (m, k) is at, or its identifier is,
a0 + m a1 + k a2. So a transpose is a swap of two numbers, and a part of an array an offset.
"""

import math
from collections.abc import Callable

from minihash.core.cuda import device, kernels
from minihash.core.cuda.device import Array
from minihash.hashes.xxh32 import U64
from minihash.weights import VirtualWeight

BLOCKS = 512  # that a product is cut into where its size allows: enough to fill a large GPU

Place = tuple[int, int, int]


def times(
    A: Array,
    a: Place,
    B: Array,
    b: Place,
    sizes: tuple[int, int, int],
    w: VirtualWeight | None = None,
) -> Array:
    """C (M, N) = A (M, K) times B (K, N), which is stored, or made of the table B by hashing (w).

    K is cut into parts until there are blocks enough; the cut depends on the sizes alone.
    """
    M, N, K = sizes
    if K == 0:
        return device.zeros(M * N, A.dtype)
    C = device.empty(M * N, A.dtype)
    tiles, depth = max(1, math.prod(tiling(M, N))), int(kernels.DEPTH)
    parts = max(1, min(BLOCKS // tiles, K // (4 * depth)))
    length = depth * -(-K // (depth * parts))
    parts = -(-K // length)
    partial = C if parts == 1 else device.empty(parts * M * N, A.dtype)
    roles = {"entry": kernels.weight if w else kernels.stored, "put": kernels.place}
    o = (0, M * N, N, 1)
    multiply(A, a, B, b, (partial,), o, (M, N, K, length), w, parts, **roles)
    if parts > 1:
        run = device.kernel(kernels.merge, A.dtype)
        device.launch(run, device.over(M * N), partial, C, parts)
    return C


def multiply(
    A: Array,
    a: Place,
    B: Array,
    b: Place,
    out: tuple,
    o: tuple[int, int, int, int],
    sizes: tuple[int, int, int, int],
    w: VirtualWeight | None = None,
    parts: int = 1,
    **roles: Callable,
) -> None:
    """Launch `product` over all tiles and all parts of K, if K is not 0."""
    M, N, K, _ = sizes
    tiles = tiling(M, N)
    a, b, o, sizes = (tuple(map(U64, numbers)) for numbers in (a, b, o, (*sizes, *tiles)))
    run = device.kernel(kernels.product, A.dtype, bodies(w) if w else None, **roles)
    blocks = math.prod(tiles) * parts if K else 0
    state = device.resident(w.hash.state) if w else ()
    device.launch(run, blocks, A, a, B, b, out, o, sizes, state)


def tiling(M: int, N: int) -> tuple[int, int]:
    """Tiles along m and n."""
    return -(-M // int(kernels.TILE_M)), -(-N // int(kernels.TILE_N))


def bodies(w: VirtualWeight) -> dict[str, Callable]:
    """What the names of a hash mean in a kernel."""
    bucket, sign = w.hash.bodies
    return {"bucket": bucket or kernels.always, "sign": sign or kernels.always}


def column_sum(dy: Array, rows: int, columns: int, inner: int = 1) -> Array:
    """The sums of dy (rows, columns, inner) over the rows and the inner axis: (columns,)."""
    sums = device.empty(columns, dy.dtype)
    run = device.kernel(kernels.sum_columns, dy.dtype)
    device.launch(run, device.over(columns), dy, sums, rows, inner)
    return sums
