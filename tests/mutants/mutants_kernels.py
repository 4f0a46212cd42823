"""Deliberate bugs in the kernels of the NumPy and the Numba backend."""

from tests.mutants.mutant import Mutant


def cut(kind: str, cut: str = "wide") -> str:
    return (
        "tests/core/test_core.py::test_no_cut_and_no_thread_count_changes_integer_results"
        f"[{cut}-{kind}-float64]"
    )


def bound(kind: str, backend: str = "numba") -> str:
    test = "test_products_are_within_their_error_bound"
    return f"tests/core/test_core.py::{test}[{backend}-{kind}-float64]"


def edges(name: str) -> str:
    return f"tests/core/test_core_edges.py -k {name}"


def threads(name: str) -> str:
    return f"tests/core/test_threads.py -k {name}"


KERNEL_MUTANTS = [
    Mutant(
        "core/numba/kernels.py",
        "while start < columns:  # again only where the residue or the low word wraps\n"
        "            i = firsts[r] + U64(start)",
        "while start < columns:  # again only where the residue or the low word wraps\n"
        "            i = firsts[0] + U64(start)",
        "every row is the first",
        cut("uniform"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "chunk[c] = word(draw(i, residue + U64(c), state), sign(i, key))",
        "chunk[c] = word(draw(i, residue, state), sign(i, key))",
        "the residue of a chunk's first identifier",
        cut("modulus-signed"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "chunk[c] = word(draw(i, residue + U64(c), state), sign(i, key))",
        "chunk[c] = word(draw(i, residue + U64(c), state), sign(high | U64(low), key))",
        "one sign for a whole chunk",
        cut("uniform-signed"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "                i = high | U64(U32(low + STEPS[c]))\n",
        "                i = high | U64(low)\n",
        "one hash for a whole chunk",
        cut("uniform"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "drawn[c] = draw(high | U64(U32(low + STEPS[c])), residue + U64(c), state)",
        "drawn[c] = draw(high | U64(low), residue + U64(c), state)",
        "one word for a whole chunk",
        cut("lookup-signed"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "chunk[c] = place(drawn[c], state)",
        "chunk[c] = place(drawn[0], state)",
        "one look-up for a whole chunk",
        cut("lookup-signed"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "drawn = draw(high | U64(U32(low + STEPS[c])), residue + U64(c), state)",
        "drawn = draw(high | U64(low), residue + U64(c), state)",
        "one word for a whole chunk before a choice",
        cut("dirichlet"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "found[c] = place(U64(at[c]), state)",
        "found[c] = place(U64(at[0]), state)",
        "one look-up for a whole chunk before a choice",
        cut("dirichlet"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "bucket = pick(U64(rest[c]) << U64(32) | U64(at[c]), found[c])",
        "bucket = pick(U64(at[c]), found[c])",
        "a choice without the word's high half",
        cut("dirichlet"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "chunk[c] = word(bucket, sign(high | U64(U32(low + STEPS[c])), key))",
        "chunk[c] = word(bucket, sign(high | U64(low), key))",
        "one sign for a whole chunk after a choice",
        edges("picked_has_a_sign"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "sign(high | U64(U32(low + U32(c))), key))",
        "sign(high | U64(low), key))",
        "one sign for a whole row",
        cut("lookup-signed"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "return U32(bucket) | U32(sign) & NEGATIVE | MISSING * U32(sign == 0)",
        "return U32(bucket) | U32(sign) & NEGATIVE",
        "no connection taken for the sign +1",
        edges("no_connection and numba"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "at[c] = U32(0) if chunk[c] == MISSING else",
        "at[c] = U32(0) if chunk[c] & NEGATIVE else",
        "the first number of the table for all negative weights",
        cut("uniform-signed"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "values[c] = zero if chunk[c] == MISSING else values[c] ^ minus",
        "values[c] = values[c] ^ minus",
        "what a tile held before where there is no connection",
        edges("no_connection and numba"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "values[c] = zero if chunk[c] == MISSING else values[c] ^ minus",
        "values[c] = zero if chunk[c] == MISSING else values[c]",
        "the sign missing in V",
        cut("uniform-signed"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "signed[c] = top if missing else signed[c] ^ minus",
        "signed[c] = top if missing else signed[c]",
        "the sign missing in the gradient",
        cut("uniform-signed"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "signed[c] = top if missing else signed[c] ^ minus",
        "signed[c] = signed[c] ^ minus",
        "a gradient where there is no connection",
        edges("no_connection and numba"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "dtable[at[c]] += values[c]",
        "dtable[at[c]] = values[c]",
        "additions that overwrite",
        cut("uniform"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "values[c] = table[at[c]]",
        "values[c] = table[at[chunk.size - 1 - c]]",
        "a tile of V backwards",
        cut("uniform"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "np.uint32 if numbers.itemsize == 4 else np.uint64",
        "np.uint32",
        "the bits of half a number",
        cut("uniform-signed"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "np.int64(run - skip)]\n                for c in range(chunk.size):  # unsigned",
        "np.int64(run)]\n                for c in range(chunk.size):  # unsigned",
        "a run read beyond the table's end",
        cut("modulus"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "(table[b + U64(c)] ^ minus)",
        "(table[b] ^ minus)",
        "a run of one entry",
        cut("modulus"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "dtable[b + U64(c)] += s * chunk[c]",
        "dtable[b + U64(c)] = s * chunk[c]",
        "runs that overwrite",
        cut("modulus"),
    ),
    Mutant(
        "core/numba/kernels.py",
        "return np.int64(min(U64(most), LOW + U64(1) - U64(low)))",
        "return np.int64(most)",
        "a low word that wraps without its high word",
        "tests/core/test_core.py -k beyond_several_tiles and uniform-signed",
        jit=True,
    ),
    Mutant(
        "core/numpy.py",
        "return signed(table[w.hash.bucket(ids)], w.hash.sign(ids))",
        "return table[w.hash.bucket(ids)]",
        "the sign missing in the normative gather",
        bound("uniform-signed", "numpy"),
    ),
    Mutant(
        "core/numpy.py",
        "    total = np.bincount(buckets, weights=weights, minlength=w.hash.buckets)\n",
        "    total = np.zeros(w.hash.buckets)\n    total[buckets] += weights\n",
        "+= over repeated buckets, which loses additions in vectorised NumPy",
        bound("uniform", "numpy"),
    ),
    Mutant(
        "core/numpy.py",
        "dtable = scatter_add(dy.T @ x, w)",
        "dtable = scatter_add((x.T @ dy).reshape(w.shape), w)",
        "dV transposed in the normative backend",
        bound("uniform", "numpy"),
    ),
    Mutant(
        "core/numpy.py",
        "np.where(sign > 0, values, np.where(sign < 0, -values, values.dtype.type(0)))",
        "sign * values",
        "0 times infinity in the normative backend",
        edges("no_connection and numpy"),
    ),
    Mutant(
        "core/numpy.py",
        "with blas_on_one_thread(), np.errstate",
        "with np.errstate",
        "bits that depend on the number of BLAS threads",
        threads("blas_threads_changes_no_bit and numpy"),
    ),
]
