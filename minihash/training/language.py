"""Room 6: character language models: to train them, to measure them, to let them write.

    training    the text is cut into `batch` streams, read side by side, `length` characters a step;
                the states go on from step to step, gradients do not (truncated back-propagation
                through time), and are clipped by their norm
    bits        - mean of log2 p(c_{t+1} | c_1 ... c_t) over a text read once, from its beginning
    generate    c ~ softmax(logits / temperature), c being the first whose cumulated p exceeds u,
                u = unit(i, stream(seed, "generate")) for the i-th character

Sources: Mikolov et al., Interspeech 2010, recurrent language models; Williams & Peng, Neural
Computation 2 (1990), truncation.
"""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from minihash.checks import check_count, index_array
from minihash.hashes.xxh32 import stream, unit
from minihash.layers import softmax_cross_entropy
from minihash.networks.language_model import LanguageModel, Params
from minihash.training import State, Training, epochs, updated


def steps(
    model: LanguageModel, training: Training, state: State, tokens: np.ndarray, length: int = 64
) -> Iterator[tuple[State, dict]]:
    """Go on from `state` to the end of the last epoch; yields, after each step, the new state and a
    report of the current epoch: loss (nats a character, over those read so far), rate, batches.

    state: at first `minihash.training.start(model.network, training)`. tokens: the text, integers
    (characters,). training: batch_size is the number of streams. The recurrent states are kept in
    `state.carried`, so that a run can go on from any of its states.
    Raises TypeError or ValueError, before any step, for tokens beyond the vocabulary, or streams
    shorter than `length`.

    >>> from minihash.networks.language_model import language_model
    >>> from minihash.training.optimisers import Adam
    >>> from minihash.training import start
    >>> model, training = language_model(2, 8, "gru"), Training(3, 4, 0.03, Adam())
    >>> tokens = np.tile([0, 0, 1], 100)
    >>> *_, (state, report) = steps(model, training, start(model.network, training), tokens, 16)
    >>> report["loss"] < math.log(2)
    True
    """
    inputs, targets = streams(model, tokens, training.batch_size, length)
    parts = [slice(k, k + length) for k in range(0, inputs.shape[1], length)]

    def advance(state: State, part: slice, rate: float) -> State:
        window = inputs[:, part]
        start = model.from_arrays(state.carried) if state.carried else None
        loss, grads, end = model.gradients(state.params, window, targets[:, part], start)
        return dataclasses.replace(
            updated(training, state, grads, rate),
            loss_sum=state.loss_sum + loss * window.size,
            seen=state.seen + window.size,
            carried=model.to_arrays(end),
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
    """Bits that the model needs for a character of the text, on average; the first is given.

    tokens: integers (characters,), at least 2. length: how many are read at once, which changes the
    result by rounding alone. Raises TypeError or ValueError for other tokens.
    """
    tokens = index_array(tokens, "tokens", model.embedding.weight.shape[0])
    if tokens.ndim != 1 or len(tokens) < 2:
        raise ValueError(f"tokens must have shape (n,), n >= 2, got {tokens.shape}; give a text")
    total, states = 0.0, None
    for first in range(0, len(tokens) - 1, length):
        targets = tokens[first + 1 : first + 1 + length]
        inputs = tokens[first : first + len(targets)]
        logits, states, _ = model.forward(params, inputs[None], states)
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
    Raises TypeError or ValueError for another prompt, a length below 0, or a temperature that is
    negative or not finite.
    """
    prompt = index_array(prompt, "prompt", model.embedding.weight.shape[0])
    if prompt.ndim != 1 or not len(prompt):
        raise ValueError(
            f"the prompt must have at least one character, got shape {prompt.shape}; give it some"
        )
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature must be at least 0 and finite, got {temperature}; try 0.8")
    length = check_count("length", length, 0, 2**32 - 1)
    u = unit(np.arange(length, dtype=np.uint64), stream(seed, "generate"))
    out, states, now = np.empty(length, np.intp), None, prompt
    for i in range(length):
        logits, states, _ = model.forward(params, now[None], states)
        last = logits[0, -1].astype(np.float64)
        if temperature == 0:
            out[i] = last.argmax()
        else:
            p = np.exp((last - last.max()) / temperature)
            cumulated = np.cumsum(p)
            out[i] = min(np.searchsorted(cumulated, u[i] * cumulated[-1], "right"), len(p) - 1)
        now = out[i : i + 1]
    return out
