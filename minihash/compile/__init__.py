"""How one scalar body becomes NumPy, njit and CUDA code: body.py; Numba, if it is there: jit.py;
what it compiled, on disk: kept.py."""
