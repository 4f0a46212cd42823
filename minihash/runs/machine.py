"""What a command runs on: backend and threads for a while, and the memory that it took."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minihash import core


@contextmanager
def machine(backend: str | None = None, threads: int | None = None) -> Iterator[None]:
    """Compute with this backend and so many threads within this block (None: as it is), at most one
    for each core that this process may use.

    Raises ValueError for a backend or a number of threads, given or of the environment, that cannot
    be. Warns if NumPy computes only because Numba cannot.

    >>> with machine("numpy", 1):
    ...     core.get_backend().__name__, core.get_threads()
    ('minihash.core.numpy', 1)
    """
    fair = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if fair else os.cpu_count() or 1
    with core.use(backend), core.use_threads(threads and min(threads, cores)):
        if core.get_backend() is core.get_backend("numpy") and not (
            backend or os.environ.get("MINIHASH_BACKEND")
        ):
            try:
                core.get_backend("numba")
            except ValueError as error:
                warnings.warn(f"{error}: NumPy computes alone, which is slower", stacklevel=3)
        core.get_threads()
        yield


def check_memory(entries: int) -> None:
    """Raises MemoryError if training tables of so many entries cannot fit into this machine.

    Asked first, since a system that has promised too much kills instead of refusing.
    """
    needed = 32 * entries  # while they are drawn, in float64 from 64-bit identifiers; or more
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if needed > there > 0:
            raise MemoryError(f"it takes more than {size(needed)}, {size(there)} are there")


def peak_memory() -> int | None:
    """The most memory this process has held, in bytes; None where the system does not say."""
    try:
        # Before getrusage: on Linux that counts what the parent held when it began this process.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def size(count: int | None) -> str:
    """Bytes for people, in powers of ten.

    >>> size(999), size(88412), size(215_000_000)
    ('999 B', '88.4 kB', '215 MB')
    """
    if count is None:
        return "not known here"
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.3g} {units[0]}"
