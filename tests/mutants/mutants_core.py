"""Deliberate bugs in the core around its kernels: products, parts, threads, the door."""

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
        "core/numba/products.py",
        "split(-(-size // unit), count)",
        "split(size // unit, count)",
        "the last rows left out",
        cut("uniform"),
    ),
    Mutant(
        "core/numba/products.py",
        "apart(w, shape))",
        "True)",
        "parts that add to one bucket at once",
        threads("same_bits_from_run_to_run"),
        jit=True,
    ),
    Mutant(
        "core/threads.py",
        "slice(size * k // count, size * (k + 1) // count)",
        "slice(size * k // count, size * (k + 1) // count - (k + 1 < count))",
        "off by one: the last column of a part left out",
        cut("uniform"),
    ),
    Mutant(
        "core/numba/parts.py",
        "for other in tables[1:]:",
        "for other in tables[2:]:",
        "a partial table that is not merged",
        cut("uniform", "entries"),
    ),
    Mutant(
        "core/numba/parts.py",
        "        tables[k][:] = 0\n",
        "",
        "a partial table that begins with the last call's sums",
        cut("uniform", "entries"),
    ),
    Mutant(
        "core/numba/parts.py",
        "for part in parts[k::count]:",
        "for part in parts[k : k + 1]:",
        "parts beyond the first of each partial table forgotten",
        cut("uniform", "entries"),
    ),
    Mutant(
        "core/numba/parts.py",
        "if disjoint or not parts:",
        "if disjoint:",
        "no parts, and a gradient that nobody clears",
        "tests/core/test_rows.py -k any_shape and numba and Uniform",
    ),
    Mutant(
        "core/numba/parts.py",
        "return run > 1 and w.first_id // run == last // run",
        "return run > 1",
        "a window of the table that goes on beyond its end",
        "tests/core/test_core.py -k bucket_of_its_own",
    ),
    Mutant(
        "core/numba/__init__.py",
        "        copy[:] = flat[:, some]\n",
        "        copy = flat[:, some]\n",
        "an input that is overwritten",
        edges("never_written and numba"),
    ),
    Mutant(
        "core/numba/__init__.py",
        "w.first_id + some.start",
        "w.first_id",
        "the first identifiers in every part",
        cut("uniform", "entries"),
    ),
    Mutant(
        "core/numba/single.py",
        "U64(w.shape[1])",
        "U64(columns)",
        "rows as far apart as the columns that differ",
        "tests/core/test_core.py -k one_example",
    ),
    Mutant(
        "core/numba/single.py",
        "piece = x[left : left + np.int64(run - i % run)]",
        "piece = x[: np.int64(run - i % run)]",
        "every window meets the first inputs",
        "tests/core/test_core.py -k one_example",
    ),
    Mutant(
        "core/numba/single.py",
        "piece = x[left : left + columns]",
        "piece = x[:columns]",
        "every piece meets the first inputs",
        "tests/core/test_core.py -k no_cut and uniform-float64",
    ),
    Mutant(
        "core/numba/single.py",
        "firsts[r] = first + U64(begin + r) * width",
        "firsts[r] = first + U64(begin) * width",
        "rows of one tile that are the first of them",
        "tests/core/test_core.py -k one_example",
    ),
    Mutant(
        "core/numba/registers.py",
        "total += a[k] * b[k]",
        "total += a[k] * b[0]",
        "one factor for a whole dot product",
        "tests/core/test_core.py -k one_example",
    ),
    Mutant(
        "core/numba/registers.py",
        'builder.icmp_signed("==", p.fresh, ir.Constant(p.fresh.type, 0))',
        'builder.icmp_signed("!=", p.fresh, ir.Constant(p.fresh.type, 0))',
        "compiled sums that begin with what was there",
        "tests/core/test_registers.py -k tile_is_the_sum",
        jit=True,
    ),
    Mutant(
        "core/numba/folding.py",
        "folded[:, :rest] += x[:, times * width :]",
        "folded[:, :rest] = x[:, times * width :]",
        "equal columns not summed",
        cut("modulus"),
    ),
    Mutant(
        "core/numba/folding.py",
        "np.tile(y, -(-columns // y.shape[1]))",
        "np.repeat(y, -(-columns // y.shape[1]), axis=1)",
        "each column repeated beside itself",
        cut("modulus"),
    ),
    Mutant(
        "weights.py",
        "n // math.gcd(n, fan_in)",
        "n // math.gcd(n, fan_out)",
        "the period of rows from the wrong size",
        "tests/networks/test_arbnet.py -k how_many_rows_differ",
        jit=True,
    ),
    Mutant(
        "core/numba/rows.py",
        "np.uint64(w.first_id) + rows.astype(np.uint64) * down",
        "np.uint64(w.first_id) + rows.astype(np.uint64)",
        "rows of one identifier",
        "tests/core/test_rows.py -k any_shape and numba and Uniform",
    ),
    Mutant(
        "core/numba/rows.py",
        "        copy[:] = dE[some, columns]\n",
        "        copy = dE[some, columns]\n",
        "an input that is overwritten",
        "tests/core/test_rows.py -k not_written and numba and Uniform",
    ),
    Mutant(
        "core/numba/guard.py",
        "if most >= hash_.buckets:",
        "if most > hash_.buckets:",
        "a bucket that is one too many",
        "tests/core/test_guard.py -k leaves_the_table and OneTooMany and gather",
    ),
    Mutant(
        "core/numba/guard.py",
        "return hash_.run if trusted(hash_) else 1",
        "return hash_.run",
        "windows on trust",
        "tests/core/test_guard.py -k right_draw and WindowTooLong",
    ),
    Mutant(
        "core/numba/guard.py",
        "        check_buckets(hash_.inner, firsts, columns)\n",
        "        pass\n",
        "an inner hash that is not checked",
        "tests/core/test_guard.py -k inner_hash and gather",
    ),
    Mutant(
        "core/numba/guard.py",
        "not (trusted(hash_.inner) and trusted(hash_.outer))",
        "not trusted(hash_.inner)",
        "an outer hash on trust",
        "tests/core/test_guard.py -k trusted",
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
        "library.set_num_threads(threads)",
        "pass",
        "BLAS left on one thread",
        threads("given_back"),
        jit=True,
    ),
    Mutant(
        "core/registry.py",
        'name or _chosen.get() or os.environ.get("MINIHASH_BACKEND")',
        'name or os.environ.get("MINIHASH_BACKEND") or _chosen.get()',
        "the environment before the program",
        "tests/core/test_backends.py -k before_environment",
    ),
    Mutant(
        "core/virtual.py",
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
]
