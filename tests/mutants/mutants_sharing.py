"""Deliberate bugs in learned sharing, and in the coded form of what it ends in."""

from tests.mutants.mutant import Mutant

CODED = "tests/files/test_coded.py -k "
KMEANS = "tests/sharing/test_kmeans.py -k "
CODEBOOK = "tests/sharing/test_codebook.py -k "
REBUILD = "tests/sharing/test_rebuild.py -k "
COMPRESS = "tests/runs/test_compress.py -k "
SHARING_MUTANTS = [
    Mutant(
        "hashes/lookup.py",
        "np.min_scalar_type(self.buckets - 1)",
        "np.min_scalar_type(self.buckets)",
        "a type that is too wide by one bucket",
        "tests/hashes/test_lookup.py -k smallest_type",
    ),
    Mutant(
        "hashes/lookup.py",
        "dtype = np.dtype(np.int8 if least else bool)",
        "dtype = np.dtype(bool)",
        "signs of -1 that are kept as True",
        "tests/hashes/test_lookup.py -k signs_are_kept",
    ),
    Mutant(
        "files/coded.py",
        "fillers = steps >> b",
        "fillers = (steps + 1) >> b",
        "a filler for a gap that fits",
        CODED + "any_mask",
    ),
    Mutant(
        "files/coded.py",
        "if pairs and positions[-1] >= n:",
        "if pairs and positions[-1] > n:",
        "a position behind the last",
        CODED + "no_coded_lookup",
    ),
    Mutant(
        "files/coded.py",
        " or n * (1 + dtype.itemsize) > room:",
        ":",
        "memory as large as the file says",
        CODED + "little_memory",
    ),
    Mutant(
        "files/huffman.py",
        "(n + m, min(symbol, other), len(parents))",
        "(n + m, symbol, len(parents))",
        "nothing but another of two equal trees, which another language does not choose",
        CODED + "codes_are_huffmans",
    ),
    Mutant(
        "files/huffman.py",
        "if at % 8 and data[end - 1] & (0xFF >> at % 8):",
        "if False:",
        "bits behind a stream that nobody reads",
        CODED + "no_coded_lookup",
    ),
    Mutant(
        "files/huffman.py",
        "if order.size != 1 and whole != ",
        "if order.size != 1 and whole > ",
        "a code with codewords to spare",
        CODED + "no_complete_code",
    ),
    Mutant(
        "sharing/kmeans.py",
        'np.searchsorted(ordered, midpoints, side="right")',
        'np.searchsorted(ordered, midpoints, side="left")',
        "a weight between two centroids that is the upper's",
        KMEANS + "between_two_centroids",
    ),
    Mutant(
        "sharing/kmeans.py",
        "centroids = centroids.copy()",
        "centroids = np.full(centroids.size, ordered.mean())",
        "an empty cluster that jumps to the mean",
        KMEANS + "empty_cluster",
    ),
    Mutant(
        "sharing/kmeans.py",
        "most = np.concatenate((least, i[at])), np.concatenate((i[at], most))",
        "most = np.concatenate((least, i[at])), np.concatenate((i[at] - 1, most))",
        "a search that ends before its last cut",
        KMEANS + "fixed_point",
    ),
    Mutant(
        "sharing/rebuild.py",
        "changes[field] = found if w.transposed == first.transposed else found.T",
        "changes[field] = found",
        "a view that is no view any more",
        REBUILD + "views_of_one_weight",
    ),
    Mutant(
        "runs/compress.py",
        "state = replace(state, epoch=run.state.epoch, step=run.state.step)",
        "state = replace(state, step=run.state.step)",
        "a stage that counts the epochs before it as its own",
        COMPRESS + "is_a_run",
    ),
]
