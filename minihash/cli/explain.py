"""Every network is a hash: small networks, each computed twice and compared.

    directly    as the layer that one trains: Dense, Conv2d on its kernel, RNN over its steps
    written out as the matrices that its hash says, entry by entry,
                V[id] = sign(id) table[bucket(id)],   dtable[k] = sum over ids in bucket k of
                sign(id) dV[id],   multiplied by NumPy; a recurrent layer step by step, unrolled

    MLP            Identity    every connection has an entry of its own
    CNN            Toeplitz    connections at one difference of positions share an entry
    RNN, unrolled  Modulus     connections of all steps share an entry; GRU and LSTM likewise

Difference: the largest, in absolute value, between the two in any output, any dx and any gradient
of the table, in float64 on random numbers. What differs is the order of sums.

Source: Chang & Lipson, ArbNets, arXiv 2312.08401, section 2; entropy: its eq. 7.
"""

import math
import textwrap
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from minihash import core
from minihash.checks import parameter
from minihash.cli import terminal
from minihash.hashes import Hash, Identity, Modulus, Toeplitz, balance
from minihash.hashes.balance import of_load
from minihash.hashes.xxh32 import stream, unit
from minihash.layers import ELU, GRU, LSTM, RNN, Dense
from minihash.layers.convolution import Conv2d
from minihash.layers.layer import Layer, Params
from minihash.layers.unrolled import Unrolled
from minihash.networks.sequential import Sequential
from minihash.runs.machine import machine
from minihash.weights import VirtualWeight

BATCH = 4


@dataclass(frozen=True)
class WrittenOut(Layer):
    """The Dense layer `dense` as its definition: V and dV in full, by NumPy alone.

    >>> layer = WrittenOut(Dense(VirtualWeight((2, 3), Modulus(4))))
    >>> layer.forward({"table": np.array([1.0, 2.0, 3.0, 4.0])}, np.array([[1.0, 10.0, 100.0]]))[0]
    array([[321., 214.]])
    """

    dense: Dense

    def weights(self) -> tuple[VirtualWeight, ...]:
        """Those of `dense`."""
        return self.dense.weights()

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """x (batch, fan_in) -> y (batch, fan_out), and x."""
        y = x @ self._matrix(params, self.dense.weight).T
        if self.dense.bias is not None:
            y += self._matrix(params, self.dense.bias)
        return y, x

    def backward(
        self, params: Params, cache: np.ndarray, dy: np.ndarray
    ) -> tuple[np.ndarray, Params]:
        """dy (batch, fan_out) -> dx (batch, fan_in), and the gradient of each table."""
        grads = {w.table: np.zeros_like(params[w.table]) for w in self.weights()}
        for w, dV in zip(self.weights(), (dy.T @ cache, dy.sum(axis=0)), strict=False):
            ids = w.identifiers()
            np.add.at(grads[w.table], w.hash.bucket(ids), w.hash.sign(ids) * dV)
        return dy @ self._matrix(params, self.dense.weight), grads

    @staticmethod
    def _matrix(params: Params, w: VirtualWeight) -> np.ndarray:
        table, ids = parameter(params, w.table, (w.hash.buckets,)), w.identifiers()
        return w.hash.sign(ids) * table[w.hash.bucket(ids)]


@dataclass(frozen=True)
class Specimen:
    """A network in both its forms, which read one table.

    hashes: those of its identifiers, one, or one a layer. shape: of an example, as `direct` takes
    it; the other form takes it flat if `flat`. blocks: its matrices, each with the row and the
    column where it stands in the matrix of the whole network. rows, columns: labels of these.
    """

    name: str
    hashes: tuple[Hash, ...]
    direct: Sequential
    form: Sequential
    shape: tuple[int, ...]
    flat: bool
    blocks: tuple[tuple[VirtualWeight, int, int], ...]
    rows: str
    columns: str

    def buckets(self) -> np.ndarray:
        """The matrix of the whole network: the bucket of each entry, -1 without a connection.

        >>> specimens()[0].buckets().shape
        (18, 22)
        """
        height = max(row + w.shape[0] for w, row, _ in self.blocks)
        width = max(column + w.shape[1] for w, _, column in self.blocks)
        matrix = np.full((height, width), -1)
        for w, row, column in self.blocks:
            ids = w.identifiers()
            found = np.where(w.hash.sign(ids) == 0, -1, w.hash.bucket(ids))
            matrix[row : row + w.shape[0], column : column + w.shape[1]] = found
        return matrix


def specimens() -> list[Specimen]:
    """The networks that are explained.

    >>> [specimen.name for specimen in specimens()]
    ['MLP', 'CNN', 'RNN', 'GRU', 'LSTM']
    """
    recurrent = [_recurrent(cell, features=3, hidden=4, length=5) for cell in (RNN, GRU, LSTM)]
    return [_mlp((12, 10, 8)), _cnn(5, (1, 2, 1), 3), *recurrent]


def _mlp(sizes: tuple[int, int, int]) -> Specimen:
    fan_in, hidden, fan_out = sizes
    shapes = (hidden, fan_in), (hidden,), (fan_out, hidden), (fan_out,)
    hash_ = Identity(sum(map(math.prod, shapes)))
    w1, b1, w2, b2 = _numbered(shapes, hash_)
    layers = (Dense(w1, b1), ELU(), Dense(w2, b2))
    blocks = ((w1, 0, 0), (w2, hidden, fan_in))
    texts = ("hidden, output", "input, hidden")
    form = _written_out(layers)
    return Specimen("MLP", (hash_,), Sequential(layers), form, (fan_in,), False, blocks, *texts)


def _cnn(size: int, channels: tuple[int, int, int], kernel: int) -> Specimen:
    before, between, after = channels
    shapes = (between, before, kernel, kernel), (after, between, kernel, kernel)
    hash_ = Identity(sum(map(math.prod, shapes)))
    conv1, conv2 = (Conv2d(w, padding=kernel // 2) for w in _numbered(shapes, hash_))
    form = _written_out((conv1.as_dense(size, size), ELU(), conv2.as_dense(size, size)))
    w1, w2 = form.weights()
    blocks = ((w1, 0, 0), (w2, w1.shape[0], w1.shape[1]))
    texts = ("channels x positions, layer by layer",) * 2
    hashes = tuple(
        Toeplitz((into, size, size), (out, kernel, kernel), padding=kernel // 2)
        for into, out in pairwise(channels)
    )
    direct = Sequential((conv1, ELU(), conv2))
    return Specimen("CNN", hashes, direct, form, (before, size, size), True, blocks, *texts)


def _recurrent(cell: type, features: int, hidden: int, length: int) -> Specimen:
    shapes = cell.numbered(features, hidden, Modulus(2**20)).weights()
    layer = cell.numbered(features, hidden, Identity(sum(w.size for w in shapes)))
    net = Unrolled(layer, length)
    blocks, gates = [], layer.weight_ih.shape[0]
    for t, (on_x, on_h) in enumerate(net.steps):
        blocks.append((on_x.weight, t * gates, t * features))
        blocks.append((on_h.weight, t * gates, length * features + t * hidden))
    texts = (f"step 1 ... {length}", f"x 1 ... {length}, h 0 ... {length - 1}")
    forms = Sequential((layer,)), Sequential((net,))
    shape = (length, features)
    return Specimen(cell.__name__, (net.hash,), *forms, shape, False, tuple(blocks), *texts)


def _numbered(shapes: tuple[tuple[int, ...], ...], hash_: Hash) -> list[VirtualWeight]:
    """Weights of these shapes on one table, their identifiers one after another."""
    weights, first_id = [], 0
    for shape in shapes:
        weights.append(VirtualWeight(shape, hash_, "table", first_id))
        first_id += weights[-1].size
    return weights


def _written_out(layers: tuple[Layer, ...]) -> Sequential:
    return Sequential(tuple(WrittenOut(f) if isinstance(f, Dense) else f for f in layers))


def explain(backend: str | None = None, seed: int = 0) -> list[dict]:
    """A row for each specimen: what it stores, its balance, and what was found by computing it.

    virtual: entries of its matrices and biases; connected: those with a sign other than 0.
    same_bits: whether two runs, and runs on 1 and 2 threads, have given the same bits throughout.
    Raises ValueError for a backend that cannot be.
    """
    return [_row(specimen, backend, seed) for specimen in specimens()]


def _row(specimen: Specimen, backend: str | None, seed: int) -> dict:
    weights = specimen.form.weights()
    found = of_load(sum(balance(w.hash, w.size, w.first_id).load for w in weights))
    passes = {name: partial(_passes, specimen, name == "form", seed) for name in ("direct", "form")}
    with machine(backend, 1):
        one, again = ({name: run() for name, run in passes.items()} for _ in range(2))
    with machine(backend), core.use_threads(2):  # on one core, too
        two = {name: run() for name, run in passes.items()}
    return {
        "network": specimen.name,
        "hash": type(specimen.hashes[0]).__name__,
        "hashes": [repr(hash_) for hash_ in specimen.hashes],
        "virtual_weights": sum(w.size for w in weights),
        "connected": found.connections,
        "stored_weights": found.load.size,
        "smallest_load": int(found.load.min()),
        "largest_load": found.largest,
        "entropy": found.entropy,
        "normalised_entropy": found.normalised_entropy,
        "same_bits": {
            "two_runs": _bits(one) == _bits(again),
            "threads_1_and_2": _bits(one) == _bits(two),
        },
        "difference": difference(one["direct"], one["form"]),
    }


def _passes(specimen: Specimen, form: bool, seed: int) -> dict[str, np.ndarray]:
    """Outputs, dx and the gradient of the table, on numbers drawn from `seed`."""
    draw = partial(_numbers, seed)
    network = specimen.form if form else specimen.direct
    x = draw("x", (BATCH, *specimen.shape))
    params = {"table": draw("table", (network.weights()[0].hash.buckets,))}
    y, caches = network.forward(params, x.reshape(BATCH, -1) if form and specimen.flat else x)
    dy = draw("dy", (y.size,)).reshape(y.shape)
    dx, grads = network.backward(params, caches, dy)
    return {"y": y.reshape(BATCH, -1), "dx": dx.reshape(BATCH, -1), "dtable": grads["table"]}


def _numbers(seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    ids = np.arange(math.prod(shape), dtype=np.uint64)
    return (2 * unit(ids, stream(seed, f"explain/{name}")) - 1).reshape(shape)


def _bits(passes: dict[str, dict[str, np.ndarray]]) -> list[bytes]:
    return [array.tobytes() for arrays in passes.values() for array in arrays.values()]


def difference(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """The largest absolute difference between arrays of one name.

    >>> difference({"y": np.array([1.0, 2.0])}, {"y": np.array([1.0, 2.5])})
    0.5
    """
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def page(rows: list[dict], columns: int = 80) -> str:
    """The rows as a table, and their hashes in full."""
    table = [
        (
            *("net", "hash", "virtual", "stored", "load", "entropy", "of ln n"),
            *("same bits", "difference"),
        )
    ]
    for row in rows:
        low, high = row["smallest_load"], row["largest_load"]
        table.append(
            (
                *(row["network"], row["hash"], row["virtual_weights"], row["stored_weights"]),
                f"{low:,}" if low == high else f"{low:,}-{high:,}",
                *(f"{row['entropy']:.4f}", f"{row['normalised_entropy']:.4f}"),
                "yes" if all(row["same_bits"].values()) else "NO",
                f"{row['difference']:.1e}",
            )
        )
    words = (
        "stored / virtual: what --compression chooses, and the paper calls sparsity",
        "same bits: of two runs, and on 1 and on 2 threads",
        "difference: the largest between layer and hash form, in y, dx and dtable",
    )
    hashes = [f"{row['network']}: {hash_}" for row in rows for hash_ in row["hashes"]]
    notes = [textwrap.fill(line, columns, subsequent_indent="  ") for line in (*words, *hashes)]
    return "\n".join((terminal.table(table, "<<>>>>>>>"), "", *notes))
