"""Room 7: character language models, p(next character | all before), on a recurrent layer.

    h_t = cell(E[c_t], h_{t-1}),    p(c_{t+1} | c_1 ... c_t) = softmax(D h_t + b)

    training    the text is cut into `batch` streams, read side by side, `length` characters a step;
                the state goes on from step to step, gradients do not (truncated back-propagation
                through time), and are clipped by their norm
    bits        - mean of log2 p(c_{t+1} | c_1 ... c_t) over a text read once, from its beginning
    generate    c ~ softmax(logits / temperature), c being the first whose cumulated p exceeds u,
                u = unit(i, stream(seed, "generate")) for the i-th character

E, the weights of the cell and D are virtual weights: free, or hashed; D may be E (tied).

Sources: Mikolov et al., Interspeech 2010, recurrent language models; Williams & Peng, Neural
Computation 2 (1990), truncation; tied: Press & Wolf, arXiv 1608.05859.
"""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from minihash.arbnet import make_hash
from minihash.checks import index_array
from minihash.hashes import Identity
from minihash.hashes.hash import check_count
from minihash.hashes.xxh32 import stream, unit
from minihash.layers import GRU, LSTM, RNN, Dense, Embedding, softmax_cross_entropy
from minihash.layers.recurrent import Recurrent, State
from minihash.network import Sequential
from minihash.training import State as RunState
from minihash.training import Training, epochs, updated
from minihash.weights import VirtualWeight

CELLS = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
Params = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class LanguageModel:
    """Embedding, recurrent layer and output, with the state between calls handed in and out.

    Raises ValueError if their sizes do not meet, or as Sequential does.
    """

    embedding: Embedding
    recurrent: Recurrent
    output: Dense

    def __post_init__(self) -> None:
        E, D = self.embedding.weight.shape, self.output.weight.shape
        if E[1] != self.recurrent.features or (E[0], self.recurrent.hidden) != D:
            raise ValueError(
                f"an embedding {E} needs a recurrent layer of {E[1]} features, and an output of "
                f"({E[0]}, hidden), got {self.recurrent.features} features, {self.recurrent.hidden}"
                f" hidden and {D}; correct the sizes"
            )
        _ = self.network

    @property
    def network(self) -> Sequential:
        """All layers, to count and to initialise; it starts each sequence at state 0."""
        return Sequential((self.embedding, self.recurrent, self.output))

    def forward(
        self, params: Params, tokens: np.ndarray, state: State | None = None
    ) -> tuple[np.ndarray, State, tuple]:
        """tokens (batch, length) -> logits (batch, length, vocabulary), the state after them, and
        the caches. Raises TypeError or ValueError as the layers do."""
        x, embedded = self.embedding.forward(params, tokens)
        h, tape = self.recurrent.forward(params, x, state=state)
        logits, read = self.output.forward(params, h)
        return logits, self.recurrent.state(tape), (embedded, tape, read)

    def gradients(
        self, params: Params, tokens: np.ndarray, targets: np.ndarray, state: State | None = None
    ) -> tuple[float, Params, State]:
        """(mean loss in nats, the gradient of each table, the state after the tokens).

        tokens, targets: integers (batch, length); targets are the characters that come next.
        """
        logits, state, (embedded, tape, read) = self.forward(params, tokens, state)
        rows = logits.reshape(-1, logits.shape[-1])
        loss, cache = softmax_cross_entropy.forward(rows, targets.reshape(-1))
        dlogits = softmax_cross_entropy.backward(cache).reshape(logits.shape)
        dh, grads = self.output.backward(params, read, dlogits)
        dx, more = self.recurrent.backward(params, tape, dh)
        _, most = self.embedding.backward(params, embedded, dx)
        for name, grad in (*more.items(), *most.items()):
            grads[name] = grads[name] + grad if name in grads else grad
        return loss, grads, state


def language_model(
    vocabulary: int,
    hidden: int,
    cell: str = "lstm",
    tied: bool = False,
    hash: str = "identity",
    compression: float = 1.0,
    scope: str = "network",
    seed: int = 0,
    embedding: int | None = None,
    truncate: int | None = None,
    **options: object,
) -> LanguageModel:
    """A model of so many characters.

    cell: "rnn", "gru" or "lstm". embedding: its width; None: that of the state. tied: whether the
    output reads the embedding's weights, which takes equal widths. hash, compression, options: of
    the two matrices of the cell, as for `arbnet`, which share a table (scope "network") or have
    one each ("layer"); embeddings and biases are free. truncate: as for the cell.
    Raises TypeError or ValueError for anything else.

    >>> model = language_model(65, 128, "gru", tied=True, hash="uniform", compression=0.25)
    >>> model.recurrent.weight_hh.hash.buckets == 2 * 3 * 128 * 128 // 4
    True
    """
    if cell not in CELLS:
        raise ValueError(f"cell must be one of {', '.join(CELLS)}, got {cell!r}")
    if scope not in ("network", "layer"):
        raise ValueError(f'scope must be "network" or "layer", got {scope!r}')
    vocabulary = check_count("vocabulary", vocabulary, 1, 2**31 - 1)
    hidden = check_count("hidden", hidden, 1, 2**31 - 1)
    width = hidden if embedding is None else check_count("embedding", embedding, 1, 2**31 - 1)
    if tied and width != hidden:
        raise ValueError(
            f"tied embeddings are as wide as the state, got an embedding of {width} and {hidden} "
            "hidden; make them equal, or untie them"
        )
    plain = CELLS[cell].plain(cell, width, hidden, truncate=truncate)
    E = VirtualWeight((vocabulary, width), Identity(vocabulary * width), "embedding")
    D = VirtualWeight((vocabulary, hidden), Identity(vocabulary * hidden), "output")
    bias = VirtualWeight((vocabulary,), Identity(vocabulary), "output.bias")
    hashed = _hashed(plain, cell, scope, hash, compression, seed, options)
    return LanguageModel(Embedding(E), hashed, Dense(E if tied else D, bias))


def _hashed(
    plain: Recurrent,
    cell: str,
    scope: str,
    hash: str,
    compression: float,
    seed: int,
    options: dict[str, object],
) -> Recurrent:
    """The layer with its two matrices under a hash."""
    w_ih, w_hh = plain.weight_ih, plain.weight_hh
    if scope == "network":
        rule = make_hash(hash, compression, w_ih.size + w_hh.size, seed, options)
        return dataclasses.replace(
            plain,
            weight_ih=VirtualWeight(w_ih.shape, rule, cell),
            weight_hh=VirtualWeight(w_hh.shape, rule, cell, first_id=w_ih.size),
        )
    hashed = {}
    for name, w in (("weight_ih", w_ih), ("weight_hh", w_hh)):
        salt = int(stream(seed, w.table))
        rule = make_hash(hash, compression, w.size, salt, options, *w.shape)
        hashed[name] = dataclasses.replace(w, hash=rule)
    return dataclasses.replace(plain, **hashed)


def steps(
    model: LanguageModel, training: Training, state: RunState, tokens: np.ndarray, length: int = 64
) -> Iterator[tuple[RunState, dict]]:
    """Go on from `state`, at first `minihash.training.start(model.network, training)`, to the end
    of the last epoch; yields, after each step, the new state and a report of the current epoch:
    loss (a character's, in nats, over those read so far), rate, batches.

    tokens: the text, integers (characters,). training: batch_size is the number of streams. The
    recurrent state goes on in `state.carried`, so that a run goes on from any of its states.
    Raises TypeError or ValueError, before any step, for tokens beyond the vocabulary, or streams
    shorter than `length`.

    >>> from minihash.optimisers import Adam
    >>> from minihash.training import start
    >>> model, training = language_model(2, 8, "gru"), Training(3, 4, 0.03, Adam())
    >>> tokens = np.tile([0, 0, 1], 100)
    >>> *_, (state, report) = steps(model, training, start(model.network, training), tokens, 16)
    >>> report["loss"] < math.log(2)
    True
    """
    inputs, targets = streams(model, tokens, training.batch_size, length)
    parts = [slice(k, k + length) for k in range(0, inputs.shape[1], length)]
    cell, names = model.recurrent, "hc"[: model.recurrent.states]

    def advance(state: RunState, part: slice, rate: float) -> RunState:
        carried, window = state.carried, inputs[:, part]
        start = cell.from_arrays(tuple(map(carried.get, names))) if carried else None
        loss, grads, end = model.gradients(state.params, window, targets[:, part], start)
        carried = dict(zip(names, end if cell.states > 1 else (end,), strict=True))
        return dataclasses.replace(
            updated(training, state, grads, rate),
            loss_sum=state.loss_sum + loss * window.size,
            seen=state.seen + window.size,
            carried=carried,
        )

    return epochs(training, state, lambda epoch: parts, advance, classifies=False)


def streams(
    model: LanguageModel, tokens: np.ndarray, batch: int, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """The text cut into `batch` streams side by side, (batch, characters of each), and what comes
    next in each. Raises as `steps` does."""
    tokens = index_array(tokens, "tokens", model.embedding.weight.shape[0])
    batch, length = (check_count(n, v, 1, 2**31) for n, v in (("batch", batch), ("length", length)))
    each = max(len(tokens) - 1, 0) // batch
    if each < length:
        raise ValueError(
            f"{batch} streams of at least length {length} need {batch * length + 1} characters to "
            f"train, got {len(tokens)}; lower the batch size or the length"
        )
    inputs, targets = (tokens[k : k + batch * each].reshape(batch, each) for k in (0, 1))
    return inputs, targets


def bits_per_character(
    model: LanguageModel, params: Params, tokens: np.ndarray, length: int = 256
) -> float:
    """What the model needs for a character of the text, on average; the first is given.

    tokens: integers (characters,), at least 2. length: of what is read at once; the result is the
    same for any, to rounding. Raises TypeError or ValueError for other tokens.
    """
    tokens = index_array(tokens, "tokens", model.embedding.weight.shape[0])
    if tokens.ndim != 1 or len(tokens) < 2:
        raise ValueError(f"tokens must be 2 or more in a row, got {tokens.shape}; give a text")
    total, state = 0.0, None
    for first in range(0, len(tokens) - 1, length):
        targets = tokens[first + 1 : first + 1 + length]
        inputs = tokens[first : first + len(targets)]
        logits, state, _ = model.forward(params, inputs[None], state)
        total += softmax_cross_entropy.forward(logits[0], targets)[0] * len(targets)
    return total / (len(tokens) - 1) / math.log(2)


def generate(
    model: LanguageModel,
    params: Params,
    prompt: np.ndarray,
    length: int,
    temperature: float = 1.0,
    seed: int = 0,
) -> np.ndarray:
    """`length` tokens that go on after the prompt, intp (length,).

    prompt: tokens (n,), at least one. temperature: 0 takes the likeliest character each time.
    Raises TypeError or ValueError for another prompt, a length below 0, a temperature that is
    negative or no number.
    """
    prompt = index_array(prompt, "prompt", model.embedding.weight.shape[0])
    if prompt.ndim != 1 or not len(prompt):
        raise ValueError(f"the prompt must have at least one character, got {prompt.shape}")
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature must be at least 0 and finite, got {temperature}; try 0.8")
    length = check_count("length", length, 0, 2**32 - 1)
    u = unit(np.arange(length, dtype=np.uint64), stream(seed, "generate"))
    out, state, now = np.empty(length, np.intp), None, prompt
    for i in range(length):
        logits, state, _ = model.forward(params, now[None], state)
        last = logits[0, -1].astype(np.float64)
        if temperature == 0:
            out[i] = last.argmax()
        else:
            p = np.exp((last - last.max()) / temperature)
            cumulated = np.cumsum(p)
            out[i] = min(np.searchsorted(cumulated, u[i] * cumulated[-1], "right"), len(p) - 1)
        now = out[i : i + 1]
    return out
