"""Deliberate bugs in sources of weights, and in the HyperLSTM that takes them."""

from tests.mutants.mutant import Mutant

TESTS = "tests/sources/test_sources.py"
CELL = "tests/layers/test_hyper_lstm.py"

SOURCE_MUTANTS = [
    Mutant(
        "sources/source.py",
        "add(grads, self.rows_backward(params, rows, dV))",
        "grads.update(self.rows_backward(params, rows, dV))",
        "of all tiles, the gradient of the last alone",
        f"{TESTS} -k products_are_those",
    ),
    Mutant(
        "sources/source.py",
        "b[tile]",
        "b[: tile.stop - tile.start]",
        "each tile with the biases of the first",
        f"{TESTS} -k products_are_those",
    ),
    Mutant(
        "sources/combined.py",
        "initial(variance / self.scale**2)",
        "initial(variance / self.scale)",
        "a deviation divided where a variance is",
        f"{TESTS} -k starts_with_the_variance",
    ),
    Mutant(
        "sources/combined.py",
        "(*found[:k], *found[k + 1 :])",
        "found[k + 1 :]",
        "a factor's gradient without the factors before it",
        f"{TESTS} -k adjoint_are_the_loops",
    ),
    Mutant(
        "sources/combined.py",
        "            add(grads, source_of(term).rows_backward(params, rows, dV))",
        "            grads |= source_of(term).rows_backward(params, rows, dV)",
        "terms of one table: the last one's gradient alone",
        f"{TESTS} -k adjoint_are_the_loops",
    ),
    Mutant(
        "sources/rows.py",
        "rows_backward(params, bucket, sign * dV)",
        "rows_backward(params, bucket, dV)",
        "the sign of a row left out on the way back",
        f"{TESTS} -k adjoint_are_the_loops",
    ),
    Mutant(
        "sources/low_rank.py",
        "if right.weights():",
        "if len(right.weights()) > 1:",
        "a trained right factor taken for a fixed one",
        f"{TESTS} -k adjoint_are_the_loops",
    ),
    Mutant(
        "sources/hypernetwork.py",
        "np.add.at(codes, places, da.reshape(len(rows), *codes.shape[1::2]))",
        "codes[places] += da.reshape(len(rows), *codes.shape[1::2])",
        "a repeated row is added once",
        f"{TESTS} -k rows_are_rows_of_v",
    ),
    Mutant(
        "sources/hypernetwork.py",
        "(rows // slices[0], slice(None), rows % slices[0])",
        "(rows % grid[0], slice(None), rows // grid[0])",
        "rows of the tiles in turns",
        f"{TESTS} -k adjoint_are_the_loops",
    ),
    Mutant(
        "sources/hypernetwork.py",
        "asked = 1.0, 1 / embedding, 0.0, variance / hidden, 0.0",
        "asked = 1.0, 1.0, 0.0, variance / hidden, 0.0",
        "a generated weight whose variance grows with the embedding",
        f"{TESTS} -k starts_with_the_variance",
    ),
    Mutant(
        "sources/cosine.py",
        "np.where(j == 0, 1, 2)",
        "np.where(j == 0, 2, 2)",
        "a transform that is not orthonormal",
        f"{TESTS} -k adjoint_are_the_loops",
    ),
    Mutant(
        "sources/cosine.py",
        "np.ascontiguousarray(self.basis.T).astype(dV.dtype)",
        "self.basis.astype(dV.dtype)",
        "backward, the transform itself in place of its adjoint",
        f"{TESTS} -k adjoint_are_the_loops",
    ),
    Mutant(
        "sources/gaussian.py",
        'stream(self.seed, "gaussian/angle")',
        'stream(self.seed, "gaussian/radius")',
        "radius and angle of one stream: numbers on a curve",
        f"{TESTS} -k gaussian",
    ),
    Mutant(
        "networks/sequential.py",
        "[(w, 3 * asked * w.size) for",
        "[(w, asked * w.size) for",
        "a variance taken for the square of a bound",
        f"{TESTS} -k starts_with_the_variance",
    ),
    Mutant(
        "networks/storage.py",
        "if len(ws) > 1 or name not in biases",
        "if len(ws[0].shape) > 1 or len(ws) > 1",
        "vectors of a generated weight counted as biases",
        f"{TESTS} -k counts_are_those",
    ),
    Mutant(
        "layers/hyper_lstm.py",
        "LSTM.step(_forget(_gates(y))",
        "LSTM.step(_gates(y)",
        "the large cell's forget gate without its 1",
        f"{CELL} -k it_is_the_loops",
    ),
    Mutant(
        "layers/hyper_lstm.py",
        "dh, dx[:, t] = dh + djoined[:, :H], dx[:, t] + djoined[:, H:]",
        "dx[:, t] = dx[:, t] + djoined[:, H:]",
        "no gradient from the small LSTM to the large one's h",
        f"{CELL} -k pytorchs",
    ),
    Mutant(
        "layers/hyper_lstm.py",
        'through("weight_hh", dgates * s["h"], before[0])',
        'through("weight_hh", dgates, before[0])',
        "back through the matrix but not through its scale",
        f"{CELL} -k pytorchs",
    ),
]
