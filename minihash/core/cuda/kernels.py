"""Kernels, as plain functions (device.py compiles them): of virtual weights, products and sums.

`product` is every product there is: C = A B in tiles, where an entry of B is read (`stored`) or
made by hashing (`weight`), and an entry of C is kept (`place`), scatter-added at once (`spill`) or
added to what flows back through a step of a sequence (`carry`).

Scatter-add, for any order of the additions. `add_atomic` adds floats: the bits change from run to
run. `raise_peak`, `add_fixed` and `finish` add integers, which do not depend on the order. Let
bucket k receive the terms v, at most 2^L with those of all other buckets, and let

    m = max |v| < 2^e                                           raise_peak, an atomic maximum
    v = (high + low 2^-b) 2^(e-b) + rest,   b = 62 - L          add_fixed
    dtable[k] = (sum high + sum low 2^-b) 2^(e-b)               finish

with integers |high|, |low| <= 2^b, cut towards 0, so that neither sum leaves 63 bits, and with
|rest| < 2^(e-2b). All is exact but for the rests and the last line. Since m >= 2^(e-1), n terms
lose less than n m 2^(2L-123) to the rests: below n u m 2^-8 for weights of up to 2^31 entries in
float64 (2^45 in float32). The last line rounds once for n = 2 and twice beyond, by u of the sum
each time; not at all for n = 1, nor where the sum has no more bits than the dtype. So the error is
within gamma_n sum |v|, however wide the range of the data, and sums of integers below 2^24 are
exact. In a bucket with an infinity or a NaN, m is infinite; there `high` counts the +inf, `low` the
-inf, and a NaN counts as both.
"""

import math

import numpy as np

from minihash.hashes.xxh32 import U64

# device.py gives them a meaning: numba.cuda, the dtype, bodies of the hash, and roles.
cuda = real = bucket = sign = locate = entry = put = add = None

# Counts are uint64: Numba checks each signed index for being negative, in the innermost loop too.
THREADS = U64(256)  # of a block
TILE_M, TILE_N, DEPTH = U64(128), U64(32), U64(16)  # a block's tile of C; how much of k it loads
EACH = U64(4)  # a thread sums EACH x EACH entries of the tile
LANES = TILE_N // EACH  # threads along n
LOADS_A, LOADS_B = DEPTH * TILE_M // THREADS, DEPTH * TILE_N // THREADS  # of a thread
PITCH_M, PITCH_N = TILE_M + U64(1), TILE_N + U64(1)  # odd: columns spread over all memory banks
RIGHT = DEPTH * PITCH_M  # where B's tile begins, after A's
SHARED = int(max(RIGHT + DEPTH * PITCH_N, TILE_M * PITCH_N))
SUMS = int(EACH * EACH)


# Device functions.


def always(i, state):
    """The sign of an unsigned hash."""
    return 1


def by_axes(k, where):
    """The identifier of the entry k of V, row-major."""
    i, shape, strides = where
    for axis in range(len(shape) - 1, 0, -1):
        i += k % shape[axis] * strides[axis]
        k //= shape[axis]
    return i + k * strides[0]


def by_rows(k, where):
    """The identifier of the entry k of V[rows], row-major."""
    first, width, down, along, rows = where
    return first + U64(rows[k // width]) * down + k % width * along


def weight(table, i, state):
    """V[i]; 0 for a missing connection, even where the table holds an infinity."""
    s = sign(i, state[1])
    if s == 0:
        return real(0)
    v = table[bucket(i, state[0])]
    return v if s > 0 else -v


def stored(array, i, state):
    return array[i]


def place(out, i, v, state):
    out[0][i] = v


def spill(out, i, v, state):
    """dtable[bucket(i)] += sign(i) v, in the way of `add`."""
    s = sign(i, state[1])
    if s != 0:
        add(out, bucket(i, state[0]), v if s > 0 else -v)


def carry(out, i, v, state):
    """Entry i of dstate (sequences, hidden), unless the sequence has ended before step t."""
    dstate, ends, hidden, t = out
    if t < ends[i // hidden]:
        dstate[i] += v


def add_atomic(out, k, v):
    cuda.atomic.add(out[0], k, v)


def raise_peak(out, k, v):
    """dtable[k] becomes the largest |v|, infinite for a NaN. Most terms are below it already."""
    size = abs(v) if v == v else real(math.inf)
    if size > out[0][k]:
        cuda.atomic.max(out[0], k, size)


def add_fixed(out, k, v):
    dtable, limbs, bits = out
    peak = dtable[k]
    if peak < math.inf:
        high, low = fixed(v, peak, bits)
    else:
        high, low = np.int64(not v < math.inf), np.int64(not v > -math.inf)
    if high != 0:
        cuda.atomic.add(limbs, k, high)
    if low != 0:
        cuda.atomic.add(limbs, dtable.size + k, low)


def fixed(v, peak, bits):
    """(high, low) of v, where |v| <= peak."""
    _, e = math.frexp(np.float64(peak))
    scaled = math.ldexp(np.float64(v), bits - e)
    high = np.int64(scaled)
    return high, np.int64(math.ldexp(scaled - high, bits))


def floating(high, low, peak, bits):
    """(high + low 2^-bits) 2^(e-bits). The power of two goes in last, as a factor: it may overflow,
    to an infinity, or round a result below the normal range, once."""
    _, e = math.frexp(np.float64(peak))
    scaled = np.float64(high) + math.ldexp(np.float64(low), -bits)
    return math.ldexp(scaled, 1 - bits) * math.ldexp(1.0, e - 1)


def lane(me, across, stride):
    """Where a thread starts to load a tile (DEPTH, across), and its step: neighbouring threads load
    along k where that has stride 1, else across it."""
    if stride == 1:
        return me % DEPTH, me // DEPTH, U64(0), THREADS // DEPTH
    return me // across, me % across, THREADS // across, U64(0)


DEVICE = (always, by_axes, by_rows, weight, stored, place, spill, carry, lane)
DEVICE += (add_atomic, raise_peak, add_fixed, fixed, floating)


# Kernels.


def clear(array):
    for k in range(cuda.grid(1), array.size, cuda.gridsize(1)):
        array[k] = 0


def copy(source, first, target, start, count):
    for k in range(cuda.grid(1), count, cuda.gridsize(1)):
        target[start + k] = source[first + k]


def shift(y, b):
    """b is added to each row of y."""
    for k in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        y[k] += b[k % b.size]


def add_pairs(one, other, sums):
    for k in range(cuda.grid(1), sums.size, cuda.gridsize(1)):
        sums[k] = one[k] + other[k]


def sum_columns(dy, sums, rows, inner):
    """sums[c] = the sum of dy[r, c, i], dy (rows, columns, inner), in float64 and in order."""
    for c in range(cuda.grid(1), sums.size, cuda.gridsize(1)):
        total = np.float64(0)
        for r in range(rows):
            for i in range(inner):
                total += dy[(r * sums.size + c) * inner + i]
        sums[c] = total


def fill(table, V, where, state):
    for k in range(cuda.grid(1), V.size, cuda.gridsize(1)):
        V[k] = weight(table, locate(U64(k), where), state)


def scatter(dV, out, where, state):
    for k in range(cuda.grid(1), dV.size, cuda.gridsize(1)):
        spill(out, locate(U64(k), where), dV[k], state)


def finish(out):
    """From peaks and limbs to sums."""
    dtable, limbs, bits = out
    for k in range(cuda.grid(1), dtable.size, cuda.gridsize(1)):
        high, low, peak = limbs[k], limbs[dtable.size + k], dtable[k]
        if peak < math.inf:
            dtable[k] = floating(high, low, peak, bits)
        elif high > 0 and low > 0:
            dtable[k] = math.nan
        else:
            dtable[k] = math.inf if high > 0 else -math.inf


def merge(partial, out, parts):
    """out = the sum of the parts of partial, in order."""
    for k in range(cuda.grid(1), out.size, cuda.gridsize(1)):
        total = partial[k]
        for p in range(1, parts):
            total += partial[p * out.size + k]
        out[k] = total


def product(A, a, B, b, out, o, sizes, state):
    """C = A B for one tile of m, n and one part p of k, which has `length` of the K:

    put  C[m, n] = sum over k of A[a0 + m a1 + k a2] entry(B, b0 + k b1 + n b2)
    at   o0 + p o1 + m o2 + n o3
    """
    shared = cuda.shared.array(SHARED, real)  # A's tile, then B's; in the end C's
    sums = cuda.local.array(SUMS, real)
    M, N, K, length, tiles_m, tiles_n = sizes
    me, block = U64(cuda.threadIdx.x), U64(cuda.blockIdx.x)
    p = block // (tiles_m * tiles_n)
    if p * length >= K:
        return  # a block too many
    m0, n0 = block % tiles_m * TILE_M, block // tiles_m % tiles_n * TILE_N
    ka, ma, step_ka, step_ma = lane(me, TILE_M, a[2])
    kb, nb, step_kb, step_nb = lane(me, TILE_N, b[1])
    x, y = me % LANES * EACH, me // LANES * EACH
    for r in range(EACH):
        for c in range(EACH):
            sums[r * EACH + c] = 0
    for k0 in range(p * length, min(p * length + length, K), DEPTH):
        for t in range(LOADS_A):
            k, m = ka + t * step_ka, ma + t * step_ma
            inside = k0 + k < K and m0 + m < M
            i = a[0] + (m0 + m) * a[1] + (k0 + k) * a[2]
            shared[k * PITCH_M + m] = A[i] if inside else real(0)
        for t in range(LOADS_B):
            k, n = kb + t * step_kb, nb + t * step_nb
            inside = k0 + k < K and n0 + n < N
            i = b[0] + (k0 + k) * b[1] + (n0 + n) * b[2]
            shared[RIGHT + k * PITCH_N + n] = entry(B, i, state) if inside else real(0)
        cuda.syncthreads()
        for k in range(DEPTH):
            for r in range(EACH):
                for c in range(EACH):
                    left, right = shared[k * PITCH_M + y + r], shared[RIGHT + k * PITCH_N + x + c]
                    sums[r * EACH + c] += left * right
        cuda.syncthreads()
    for r in range(EACH):
        for c in range(EACH):
            shared[(y + r) * PITCH_N + x + c] = sums[r * EACH + c]
    cuda.syncthreads()
    for t in range(me, TILE_M * TILE_N, THREADS):  # neighbouring threads put neighbouring entries
        m, n = t // TILE_N, t % TILE_N
        if m0 + m < M and n0 + n < N:
            i = o[0] + p * o[1] + (m0 + m) * o[2] + (n0 + n) * o[3]
            put(out, i, shared[m * PITCH_N + n], state)
