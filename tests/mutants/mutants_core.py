"""Deliberate bugs in the core around its kernels: panels, threads, the door."""

from tests.mutants.mutant import Mutant


def cut(kind: str, cut: str = "wide") -> str:
    return (
        "tests/core/test_core.py::test_no_cut_and_no_thread_count_changes_integer_results"
        f"[{cut}-{kind}-float64]"
    )


def edges(name: str) -> str:
    return f"tests/core/test_core_edges.py -k {name}"


def threads(name: str) -> str:
    return f"tests/core/test_threads.py -k {name}"


CORE_MUTANTS = [
    Mutant(
        "weights.py",
        "self.first_id + self.size > self.hash.domain",
        "self.first_id + self.size > self.hash.domain + 1",
        "a weight one identifier beyond its hash",
        "tests/weights/test_weights.py -k last_block",
    ),
    Mutant(
        "core/numba/sweep.py",
        "U64(top + r) * U64(p.width)",
        "U64(top + r) * U64(last - first)",
        "the width of a part for the stride of the weight",
        cut("uniform"),
    ),
    Mutant(
        "core/numba/sweep.py",
        "multiply_along(tile, a, total, rows, columns, left, top - above, p)",
        "multiply_along(tile, a, total, rows, columns, left - first, top, p)",
        "the sums of a part in the place of another's",
        cut("uniform"),
    ),
    Mutant(
        "core/numba/sweep.py",
        "multiply_across(tile, a, total, rows, columns, top, left - first, p)",
        "multiply_across(tile, a, total, rows, columns, top - above, left, p)",
        "the sums of a part across in the place of another's",
        cut("uniform"),
    ),
    Mutant(
        "core/numba/sweep.py",
        "at_a=(top + r) * p.stride,",
        "at_a=r * p.stride,",
        "the first rows' slopes for every tile",
        cut("uniform"),
    ),
    Mutant(
        "core/numba/tiles.py",
        "    turned[:, batch:full] = 0\n",
        "",
        "what an earlier batch left beyond this one",
        "tests/core/test_registers.py -k rest_of_a_block",
    ),
    Mutant(
        "core/numba/sweep.py",
        "for c in range(wide if r < tall else 0, columns):",
        "for c in range(0 if r < tall else wide, columns):",
        "the last columns of the last rows not turned",
        "tests/core/test_registers.py -k turning",
    ),
    Mutant(
        "core/numba/registers.py",
        "b[p.at_b + n[:, None] * p.step_b + n] = a[p.at_a + n * p.step_a + n[:, None]]",
        "b[p.at_b + n[:, None] * p.step_b + n] = a[p.at_a + n[:, None] * p.step_a + n]",
        "a square that is copied, not turned",
        "tests/core/test_registers.py -k turning",
    ),
    Mutant(
        "core/numba/registers.py",
        "for start in (0, half)]",
        "for start in (half, 0)]",
        "compiled squares with rows exchanged",
        "tests/core/test_registers.py -k turning",
        jit=True,
    ),
    Mutant(
        "core/numba/kernels.py",
        "piece = x[left : left + np.int64(run - i % run)]",
        "piece = x[: np.int64(run - i % run)]",
        "every window meets the first inputs",
        "tests/core/test_core.py -k one_example",
    ),
    Mutant(
        "core/numba/registers.py",
        "c[C] = (0 if p.fresh else c[C]) + A.T @ B",
        "c[C] = c[C] + A.T @ B",
        "sums that begin with what was there",
        cut("uniform"),
    ),
    Mutant(
        "core/numba/registers.py",
        'builder.icmp_signed("==", p.fresh, ir.Constant(p.fresh.type, 0))',
        'builder.icmp_signed("!=", p.fresh, ir.Constant(p.fresh.type, 0))',
        "compiled sums that begin with what was there",
        "tests/core/test_registers.py -k product",
        jit=True,
    ),
    Mutant(
        "core/numba/registers.py",
        "total += a[k] * b[k]",
        "total += a[k] * b[0]",
        "one factor for a whole dot product",
        "tests/core/test_core.py -k one_example",
    ),
    Mutant(
        "core/numba/tiles.py",
        "dtable = more if dtable is None else dtable + more",
        "dtable = more",
        "the gradient of the last examples alone",
        cut("uniform", "entries"),
    ),
    Mutant(
        "core/numba/sweep.py",
        "    total[: (stop - start + ROWS) * p.stride] = 0\n",
        "",
        "sums on top of an earlier part's",
        cut("uniform"),
    ),
    Mutant(
        "core/numba/panels.py",
        "slice(size * k // count, size * (k + 1) // count)",
        "slice(size * k // count, size * (k + 1) // count - (k + 1 < count))",
        "off by one: the last column of a panel left out",
        cut("uniform"),
    ),
    Mutant(
        "core/numba/panels.py",
        "for partial in others:",
        "for partial in others[1:]:",
        "a lane that is not merged",
        cut("uniform", "entries"),
    ),
    Mutant(
        "core/numba/panels.py",
        "        partial[:] = 0\n",
        "",
        "a lane that begins with the last call's sums",
        cut("uniform", "entries"),
    ),
    Mutant(
        "core/numba/panels.py",
        "for cut in cuts[k::count]:",
        "for cut in cuts[k : k + 1]:",
        "parts beyond the first of each lane forgotten",
        cut("uniform", "entries"),
    ),
    Mutant(
        "core/numba/__init__.py",
        "        panel[:] = flat[:, cut]\n",
        "        panel = flat[:, cut]\n",
        "an input that is overwritten",
        edges("never_written and numba"),
    ),
    Mutant(
        "core/numba/tiles.py",
        "y = np.empty((len(x), shape[0]), table.dtype)",
        'y = workspace("y", (len(x), shape[0]), table.dtype)',
        "an output that the next call overwrites",
        edges("freshly_allocated and numba"),
    ),
    Mutant(
        "core/numba/single.py",
        "np.uint64(w.shape[1])",
        "np.uint64(columns)",
        "rows as far apart as the columns that differ",
        "tests/core/test_core.py -k one_example",
    ),
    Mutant(
        "core/numba/cyclic.py",
        "folded[:, :rest] += x[:, times * width :]",
        "folded[:, :rest] = x[:, times * width :]",
        "equal columns not summed",
        cut("modulus"),
    ),
    Mutant(
        "core/numba/cyclic.py",
        "np.tile(y, -(-columns // y.shape[1]))",
        "np.repeat(y, -(-columns // y.shape[1]), axis=1)",
        "each column repeated beside itself",
        cut("modulus"),
    ),
    Mutant(
        "core/numba/cyclic.py",
        "n // math.gcd(n, fan_in)",
        "n // math.gcd(n, fan_out)",
        "the period of rows from the wrong size",
        "tests/networks/test_arbnet.py -k how_many_rows_differ",
        jit=True,
    ),
    Mutant(
        "core/threads.py",
        "return min(int(asked), cores)",
        "return int(asked)",
        "more threads than cores, as the environment says",
        threads("test_the_number_of_threads"),
    ),
    Mutant(
        "core/threads.py",
        "for part in left:",
        "for part in parts:",
        "every worker does every part",
        threads("every_part"),
    ),
    Mutant(
        "core/threads.py",
        "submit(copy_context().run, work)",
        "submit(work)",
        "workers that take the default backend",
        threads("take_the_backend"),
    ),
    Mutant(
        "core/threads.py",
        "        future.result()\n",
        "        pass\n",
        "an error in a worker lost",
        threads("error_in_a_part"),
    ),
    Mutant(
        "core/threads.py",
        "library.set_num_threads(threads)",
        "pass",
        "BLAS left on one thread",
        threads("given_back"),
        jit=True,
    ),
    Mutant(
        "core/__init__.py",
        'name or _chosen.get() or os.environ.get("MINIHASH_BACKEND")',
        'name or os.environ.get("MINIHASH_BACKEND") or _chosen.get()',
        "the environment before the program",
        "tests/core/test_backends.py -k before_environment",
    ),
    Mutant(
        "core/__init__.py",
        "if len(x) != len(dy):",
        "if len(x) < len(dy):",
        "a batch of x that does not fit dy",
        edges("refused_at_the_door and another and batch and numpy"),
    ),
    Mutant(
        "checks.py",
        'return np.asarray(array, array.dtype.newbyteorder("="), order="C")',
        "return array",
        "strides and byte order handed to a kernel",
        edges("layout and byte and numba and float64"),
    ),
    Mutant(
        "core/numba/panel_rows.py",
        "np.uint64(w.first_id) + rows.astype(np.uint64) * down",
        "np.uint64(w.first_id) + rows.astype(np.uint64)",
        "rows of one identifier",
        "tests/core/test_rows.py -k any_shape and numba and Uniform",
    ),
    Mutant(
        "core/numba/panel_rows.py",
        "if len(rows) and not apart(w):",
        "if not apart(w):",
        "no rows, and a gradient that nobody clears",
        "tests/core/test_rows.py -k any_shape and numba and Uniform",
    ),
]
