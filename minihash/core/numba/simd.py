"""Exponentials in arithmetic that compilers turn into SIMD, for kernels of Numba; y <= 0.

    exp y     = 2^k (1 + p),             p = exp(r) - 1,   y = k ln 2 + r,   |r| <= ln(2) / 2
    expm1 y   = 2^k p + (2^k - 1)
    p         = r + r^2 / 2! + ... + r^n / n!              n = 7 for float32, 13 for float64
    tanh x    = sign(x) (-e) / (e + 2),  e = expm1(-2 |x|)

The rest of the series is below half a unit of roundoff of p. k is y / ln 2 rounded by adding and
subtracting 1.5 2^23 (2^52), which leaves it in the last bits of the sum; shifted, they are the
exponent of 2^k. ln 2 is two numbers, the greater of few bits, so that its product with k is exact
(Cody & Waite). No step loses leading digits: results are within 3 units in the last place. Below
-`MOST` expm1 is -1 when rounded, below -`LAST` exp is 0; 2^k of exp is two factors, since it may be
below the normal numbers while they are not. NaN stays NaN; expm1 of -0 is 0.
"""

import math

import numpy as np

MOST32, LAST32, ROUND32 = np.float32(19), np.float32(106), np.float32(1.5 * 2**23)
LOG2_E32 = np.float32(1 / math.log(2))
HIGH32, LOW32 = np.float32(355 / 512), np.float32(math.log(2) - 355 / 512)
HALF32, ONE32, TWO32 = np.float32(0.5), np.float32(1), np.float32(2)
A3, A4, A5, A6, A7 = (np.float32(1 / math.factorial(k)) for k in range(3, 8))
BITS32, BIAS32, WIDTH32 = np.int32(ROUND32.view(np.int32)), np.int32(127), np.int32(23)

MOST64, LAST64, ROUND64 = 39.0, 750.0, 1.5 * 2.0**52
LOG2_E64 = 1 / math.log(2)
HIGH64, LOW64 = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
B3, B4, B5, B6, B7, B8, B9, B10, B11, B12, B13 = (1 / math.factorial(k) for k in range(3, 14))
BITS64 = np.int64(np.float64(ROUND64).view(np.int64))
BIAS64, WIDTH64, ONE_INT = np.int64(1023), np.int64(52), np.int64(1)


def reduced32(y):
    """(k, p) of a scalar float32."""
    t = y * LOG2_E32 + ROUND32
    k = t - ROUND32
    r = (y - k * HIGH32) - k * LOW32
    p = ((((((A7 * r + A6) * r + A5) * r + A4) * r + A3) * r + HALF32) * r) * r + r
    return np.int32(np.float32(t).view(np.int32) - BITS32), p


def power32(k):
    """2^k, k an int32."""
    return np.int32((k + BIAS32) << WIDTH32).view(np.float32)


def expm1_32(y):
    k, p = reduced32(-MOST32 if y < -MOST32 else y)
    s = power32(k)
    return s * p + (s - ONE32)


def exp32(y):
    k, p = reduced32(-LAST32 if y < -LAST32 else y)
    first = np.int32(k >> np.int32(1))
    return (power32(first) * (ONE32 + p)) * power32(np.int32(k - first))


def tanh32(x):
    a = abs(x)
    e = expm1_32(-(a + a))
    return np.copysign(e / (e + TWO32), x)


def reduced64(y):
    """(k, p) of a scalar float64."""
    t = y * LOG2_E64 + ROUND64
    k = t - ROUND64
    r = (y - k * HIGH64) - k * LOW64
    p = ((((B13 * r + B12) * r + B11) * r + B10) * r + B9) * r + B8
    p = (((((p * r + B7) * r + B6) * r + B5) * r + B4) * r + B3) * r + 0.5
    return np.float64(t).view(np.int64) - BITS64, (p * r) * r + r


def power64(k):
    """2^k, k an int64."""
    return np.int64((k + BIAS64) << WIDTH64).view(np.float64)


def expm1_64(y):
    k, p = reduced64(-MOST64 if y < -MOST64 else y)
    s = power64(k)
    return s * p + (s - 1.0)


def exp64(y):
    k, p = reduced64(-LAST64 if y < -LAST64 else y)
    first = k >> ONE_INT
    return (power64(first) * (1.0 + p)) * power64(k - first)


def tanh64(x):
    a = abs(x)
    e = expm1_64(-(a + a))
    return np.copysign(e / (e + 2.0), x)
