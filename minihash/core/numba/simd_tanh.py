"""tanh in arithmetic that compilers turn into SIMD, for kernels of Numba.

    tanh x = sign(x) (-e) / (e + 2),   e = exp(y) - 1,   y = -2 |x|
    e      = 2^k p + (2^k - 1),        p = exp(r) - 1,   y = k ln 2 + r,   |r| <= ln(2) / 2
    p      = r + r^2 / 2! + ... + r^n / n!               n = 7 for float32, 13 for float64

The rest of the series is below half a unit of roundoff of p. k is y / ln 2 rounded by adding and
subtracting 1.5 2^23 (2^52), which leaves it in the last bits of the sum; shifted, they are the
exponent of 2^k. ln 2 is two numbers, the greater of few bits, so that its product with k is exact
(Cody & Waite). No step loses leading digits: results are within 3 units in the last place. From
`MOST` on they are 1, as tanh is when rounded; NaN stays NaN.
"""

import math

import numpy as np

MOST32, ROUND32 = np.float32(9.5), np.float32(1.5 * 2**23)
LOG2_E32 = np.float32(1 / math.log(2))
HIGH32, LOW32 = np.float32(355 / 512), np.float32(math.log(2) - 355 / 512)
HALF32, ONE32, TWO32 = np.float32(0.5), np.float32(1), np.float32(2)
A3, A4, A5, A6, A7 = (np.float32(1 / math.factorial(k)) for k in range(3, 8))
BITS32, ONE_BITS32, WIDTH32 = np.int32(ROUND32.view(np.int32)), np.int32(127 << 23), np.int32(23)

MOST64, ROUND64 = 19.5, 1.5 * 2.0**52
LOG2_E64 = 1 / math.log(2)
HIGH64, LOW64 = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
B3, B4, B5, B6, B7, B8, B9, B10, B11, B12, B13 = (1 / math.factorial(k) for k in range(3, 14))
BITS64 = np.int64(np.float64(ROUND64).view(np.int64))
ONE_BITS64, WIDTH64 = np.int64(1023 << 52), np.int64(52)


def tanh32(x):
    """tanh of a scalar float32."""
    a = abs(x)
    a = MOST32 if a > MOST32 else a
    y = -(a + a)
    t = y * LOG2_E32 + ROUND32
    k = t - ROUND32
    r = (y - k * HIGH32) - k * LOW32
    p = ((((((A7 * r + A6) * r + A5) * r + A4) * r + A3) * r + HALF32) * r) * r + r
    bits = np.int32(((np.float32(t).view(np.int32) - BITS32) << WIDTH32) + ONE_BITS32)
    s = bits.view(np.float32)
    e = s * p + (s - ONE32)
    return np.copysign(e / (e + TWO32), x)


def tanh64(x):
    """tanh of a scalar float64."""
    a = abs(x)
    a = MOST64 if a > MOST64 else a
    y = -(a + a)
    t = y * LOG2_E64 + ROUND64
    k = t - ROUND64
    r = (y - k * HIGH64) - k * LOW64
    p = ((((B13 * r + B12) * r + B11) * r + B10) * r + B9) * r + B8
    p = (((((p * r + B7) * r + B6) * r + B5) * r + B4) * r + B3) * r + 0.5
    p = (p * r) * r + r
    bits = ((np.float64(t).view(np.int64) - BITS64) << WIDTH64) + ONE_BITS64
    s = np.int64(bits).view(np.float64)
    e = s * p + (s - 1.0)
    return np.copysign(e / (e + 2.0), x)
