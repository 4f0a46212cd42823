"""Deliberate bugs in the loops of convolution and of the recurrent layers."""

from tests.mutants.mutant import Mutant

WHOLE = "tests/core/test_direct.py -k on_whole_numbers"
TANH = "tests/core/test_loops.py -k ulps"

LAYER_MUTANTS = [
    Mutant(
        "core/numba/direct.py",
        "q = min(v % each * lanes, width - lanes)",
        "q = width - lanes",
        "every vector of a row where its last one is",
        WHOLE,
        jit=True,
    ),
    Mutant(
        "core/numba/direct.py",
        "dK[:, -TALL:] = found[:, -TALL:]",
        "dK[:, -1:] = found[:, -1:]",
        "gradients of the last maps, where their tile would begin if it began no earlier",
        WHOLE,
        jit=True,
    ),
    Mutant(
        "core/numba/direct.py",
        "if dilation == 1 else lanes",
        "if dilation >= 1 else lanes",
        "taps of a row side by side, though they are not neighbours",
        WHOLE,
        jit=True,
    ),
    Mutant(
        "core/numba/direct.py",
        "[..., ::-1, ::-1]",
        "[..., ::-1]",
        "backward, the kernel reversed along one axis only",
        WHOLE,
        jit=True,
    ),
    Mutant(
        "core/numba/simd_tanh.py",
        "a = MOST64 if a > MOST64 else a",
        "a = a if a > MOST64 else a",
        "an exponent of 2 that is none",
        TANH,
        jit=True,
    ),
    Mutant(
        "core/numba/loops.py",
        "tanh32 if real == np.float32 else tanh64",
        "tanh32 if real == np.float64 else tanh64",
        "tanh of the other dtype",
        TANH,
        jit=True,
    ),
    Mutant(
        "core/numba/loops.py",
        "each=lambda n: (slice(n),))",
        "each=lambda n: (slice(1, n),))",
        "NumPy's reading without the first entry",
        "tests/core/test_loops.py -k numpys_reading_is",
    ),
    Mutant(
        "core/numba/skinny.py",
        "packed[-1] = W[:, -wide:]",
        "packed[-1] = W[:, :wide]",
        "the first columns in the place of the last",
        "tests/layers/test_recurrent_edges.py -k product_in_panels",
        jit=True,
    ),
    Mutant(
        "core/numba/timeloop.py",
        "states[:, t + 1, b] = states[:, t, b]",
        "states[0, t + 1, b] = states[0, t, b]",
        "the second state of a sequence that has ended goes on",
        "tests/core/test_loops.py -k numpys_reading_is",
    ),
]
