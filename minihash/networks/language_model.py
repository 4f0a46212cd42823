"""Room 5: language models: recurrent layers between an embedding and an output.

    h^0_t = E[c_t]
    h^k_t = cell_k(h^{k-1}_t, h^k_{t-1}),    k = 1 ... n, one above the other
    p(c_{t+1} | c_1 ... c_t) = softmax(D h^n_t + b)

E, the weights of the cells and D are virtual weights: free, or hashed; D may be E (tied).

Sources: Mikolov et al., Interspeech 2010; layers one above the other: Pascanu et al., arXiv
1312.6026; tied: Press & Wolf, arXiv 1608.05859.
"""

import dataclasses
from fractions import Fraction

import numpy as np

from minihash.checks import check_count
from minihash.hashes import Identity
from minihash.layers import (
    GRU,
    LSTM,
    RNN,
    Dense,
    Embedding,
    HyperLSTM,
    softmax_cross_entropy,
)
from minihash.layers.recurrent import Recurrent, State
from minihash.networks.numbering import numbered
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight

CELLS: dict[str, type[Recurrent]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
MOST_LAYERS = 1000
Params = dict[str, np.ndarray]
States = tuple[State, ...]  # of each recurrent layer


@dataclasses.dataclass(frozen=True)
class LanguageModel:
    """Embedding, recurrent layers and output, with their states between calls handed in and out.

    Raises TypeError or ValueError if their sizes do not meet, or as Sequential does.
    """

    embedding: Embedding
    recurrent: tuple[Recurrent | HyperLSTM, ...]
    output: Dense

    def __post_init__(self) -> None:
        object.__setattr__(self, "recurrent", tuple(self.recurrent))
        for layer in self.recurrent:
            if not isinstance(layer, Recurrent | HyperLSTM):
                raise TypeError(
                    "layers between embedding and output must be recurrent, got "
                    f"{layer!r}; leave it out"
                )
        E, D = self.embedding.weight.shape, self.output.weight.shape
        given = (E[1], *(layer.hidden for layer in self.recurrent))
        taken = (*(layer.features for layer in self.recurrent), D[1])
        if not self.recurrent or given != taken or D[0] != E[0]:
            sizes = ", ".join(f"{f.features} to {f.hidden}" for f in self.recurrent) or "none"
            raise ValueError(
                f"an embedding {E} needs recurrent layers, the first of {E[1]} features, and an "
                f"output of ({E[0]}, hidden), got {sizes}, and {D}; correct the sizes"
            )
        _ = self.network

    @property
    def network(self) -> Sequential:
        """All layers, to count and to initialise; it starts each sequence at state 0."""
        return Sequential((self.embedding, *self.recurrent, self.output))

    def forward(
        self, params: Params, tokens: np.ndarray, states: States | None = None
    ) -> tuple[np.ndarray, States, tuple]:
        """tokens (batch, length) -> logits (batch, length, vocabulary), the states after them, and
        the caches. Raises TypeError or ValueError as the layers do."""
        count, tapes = len(self.recurrent), []
        if states is not None and (not isinstance(states, tuple) or len(states) != count):
            raise ValueError(f"states must be a tuple of {count}, one for each recurrent layer")
        x, embedded = self.embedding.forward(params, tokens)
        for layer, state in zip(self.recurrent, states or (None,) * count, strict=True):
            x, tape = layer.forward(params, x, state=state)
            tapes.append(tape)
        logits, read = self.output.forward(params, x)
        after = tuple(f.state(tape) for f, tape in zip(self.recurrent, tapes, strict=True))
        return logits, after, (embedded, *tapes, read)

    def gradients(
        self, params: Params, tokens: np.ndarray, targets: np.ndarray, states: States | None = None
    ) -> tuple[float, Params, States]:
        """(mean loss in nats, the gradient of each table, the states after the tokens).

        tokens, targets: integers (batch, length); targets are the characters that come next.
        """
        logits, states, caches = self.forward(params, tokens, states)
        rows = logits.reshape(-1, logits.shape[-1])
        loss, cache = softmax_cross_entropy.forward(rows, targets.reshape(-1))
        dlogits = softmax_cross_entropy.backward(cache).reshape(logits.shape)
        _, grads = self.network.backward(params, list(caches), dlogits)
        return loss, grads, states

    def to_arrays(self, states: States) -> Params:
        """The arrays of the states by name: h and c of the first layer, h2 and c2 of the next, h^
        and c^ of a HyperLSTM's small one."""
        pairs = zip(self._names(), self.recurrent, states, strict=True)
        arrays = ((names, s if layer.states > 1 else (s,)) for names, layer, s in pairs)
        return {name: a for names, s in arrays for name, a in zip(names, s, strict=True)}

    def from_arrays(self, arrays: Params) -> States:
        """The inverse of `to_arrays`. Raises ValueError for other names."""
        names = self._names()
        if arrays.keys() != (expected := {name for own in names for name in own}):
            cell = type(self.recurrent[0]).__name__
            raise ValueError(
                f"the state of {cell} must hold {', '.join(sorted(expected))}, got "
                f"{', '.join(sorted(arrays)) or 'none'}; start anew"
            )
        pairs = zip(self.recurrent, names, strict=True)
        return tuple(layer.from_arrays(tuple(arrays[n] for n in own)) for layer, own in pairs)

    def _names(self) -> list[list[str]]:
        return [
            [f"{part}{suffix(k)}" for part in ("h", "c", "h^", "c^")[: layer.states]]
            for k, layer in enumerate(self.recurrent, 1)
        ]


def language_model(
    vocabulary: int,
    hidden: int,
    cell: str = "lstm",
    tied: bool = False,
    hash: str = "identity",
    compression: float | Fraction = 1.0,
    scope: str = "network",
    seed: int = 0,
    embedding: int | None = None,
    truncate: int | None = None,
    layers: int = 1,
    **options: object,
) -> LanguageModel:
    """A model of a text of `vocabulary` different characters.

    hidden: the width of the state. cell: "rnn", "gru" or "lstm". embedding: its width; None: that
    of the state. tied: whether the output reads the embedding's weights, which needs equal widths.
    layers: how many, one above the other. hash, compression, options: as for `arbnet`, of the two
    matrices of each cell. All of them share a table (scope "network") or have one each ("layer");
    embeddings and biases are free. truncate: as for the cell.
    Raises TypeError or ValueError for anything else.

    >>> model = language_model(65, 128, "gru", tied=True, hash="uniform", compression=0.25)
    >>> model.recurrent[0].weight_hh.hash.buckets == 2 * 3 * 128 * 128 // 4
    True
    """
    if cell not in CELLS:
        raise ValueError(f"cell must be one of {', '.join(CELLS)}, got {cell!r}")
    vocabulary = check_count("vocabulary", vocabulary, 1, 2**31 - 1)
    hidden = check_count("hidden", hidden, 1, 2**31 - 1)
    width = hidden if embedding is None else check_count("embedding", embedding, 1, 2**31 - 1)
    if tied and width != hidden:
        raise ValueError(
            f"tied embeddings must be as wide as the state, got an embedding of {width} and a "
            f"state of {hidden}; make them equal, or untie them"
        )
    layers = check_count("layers", layers, 1, MOST_LAYERS)
    plain = [
        CELLS[cell].plain(f"{cell}{suffix(k)}", features, hidden, truncate=truncate)
        for k, features in enumerate((width, *[hidden] * (layers - 1)), 1)
    ]
    E = VirtualWeight((vocabulary, width), Identity(vocabulary * width), "embedding")
    D = VirtualWeight((vocabulary, hidden), Identity(vocabulary * hidden), "output")
    bias = VirtualWeight((vocabulary,), Identity(vocabulary), "output.bias")
    shapes = {w.table: w.shape for layer in plain for w in (layer.weight_ih, layer.weight_hh)}
    pairs = numbered(shapes, hash, compression, scope, "none", seed, options, cell, suffix="")
    matrices = [w for w, _ in pairs]
    recurrent = tuple(
        dataclasses.replace(layer, weight_ih=ih, weight_hh=hh)
        for layer, ih, hh in zip(plain, matrices[::2], matrices[1::2], strict=True)
    )
    return LanguageModel(Embedding(E), recurrent, Dense(E if tied else D, bias))


def suffix(k: int) -> str:
    """What is appended to the names of layer k: nothing to those of the first.

    >>> [f"lstm{suffix(k)}" for k in (1, 2, 3)]
    ['lstm', 'lstm2', 'lstm3']
    """
    return str(k) if k > 1 else ""
