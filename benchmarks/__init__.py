"""Benchmarks: each verifies its results first, then times both sides.

Importing this package, before NumPy is loaded, tells the threads of OpenBLAS to sleep when they
have nothing to do. Otherwise they spin for about 0.1 s after each multi-threaded product, and
whatever is timed next, ours or PyTorch's, shares its cores with them. A setting that the user made
stays as it is. What a user without it sees is a row of `benchmarks.core`.

PyTorch's own threads keep their default, which is the fastest where PyTorch has its time to itself:
told to sleep too (OMP_WAIT_POLICY=passive), it takes 3.1 instead of 1.3 s for an epoch of MNIST.
Only `benchmarks.core` and `benchmarks.scaling`, whose sides take turns every few milliseconds, tell
them: there PyTorch takes 58 ms so, 52 in a loop of its own, and 128 where all threads spin beside
one another.
"""

import os

os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # spin for 2^4 cycles, the fewest there are
