"""Benchmarks: each verifies its results first, then times both sides.

Importing this package, before NumPy is loaded, tells the threads of other libraries to sleep when
they have nothing to do. Otherwise the idle threads of OpenBLAS spin for about 0.1 s after each
multi-threaded product, and whatever is timed next shares its cores with them. With these settings
all sides, PyTorch's too, take as long in turns as each takes in a loop of its own: nothing is
gained by pausing between calls. A setting that the user made stays as it is. What a user without
them sees is a row of `benchmarks.core`.
"""

import os

os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # spin for 2^4 cycles, the fewest there are
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
