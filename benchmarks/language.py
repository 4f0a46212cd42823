"""Characters of tiny Shakespeare learnt by `minihash train --model lstm`, beside PyTorch.

    python -m benchmarks.language [--json FILE] [--rounds N] [--data-dir DIR]

The defaults of the command: 256 -> 256, 32 streams, 64 characters of each a step, Adam, gradients
clipped; plain, and hashed to a tenth beside PyTorch on `table[index]`, gathered in each step. An
epoch is some 490 steps, all alike, of which a round times `STEPS` on each side, after one untimed.
Verified first: in float64 the losses of the first steps of both sides agree.
"""

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measure import Table, alternate, ratio
from minihash import core
from minihash.data import Text, load_text
from minihash.hashes import Identity
from minihash.networks.language_model import LanguageModel
from minihash.runs.config import Config
from minihash.training import start
from minihash.training.language import steps, streams
from minihash.weights import VirtualWeight

if TYPE_CHECKING:
    import torch

STEPS = 20


def ours(config: Config, text: Text, dtype: type) -> Iterator[float]:
    """Train; the mean loss so far after each step."""
    model, training = language(config, text), config.training()
    state = start(model.network, training, dtype)
    for _, report in steps(model, training, state, text.train, config.length):
        yield report["loss"]


def pytorch(config: Config, text: Text, dtype: type) -> Iterator[float]:
    """The same with PyTorch: V = table[index], or a parameter where nothing is shared."""
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(core.get_threads())
    model, training = language(config, text), config.training()
    params = start(model.network, training, dtype).params
    index, leaf = {}, {}
    for w in model.network.weights():
        table, buckets = params[w.table], w.hash.bucket(w.identifiers())
        if isinstance(w.hash, Identity):
            leaf[w] = torch.from_numpy(table[buckets])
        else:
            index[w] = torch.from_numpy(buckets.astype(np.int64))
            leaf.setdefault(w.table, torch.from_numpy(table))
    trained = [tensor.requires_grad_() for tensor in leaf.values()]

    def read(w: VirtualWeight) -> "torch.Tensor":
        return leaf[w.table][index[w]] if w in index else leaf[w]

    adam = torch.optim.Adam(trained, lr=training.rate)
    both = streams(model, text.train, config.batch_size, config.length)
    inputs, targets = (torch.from_numpy(tokens) for tokens in both)
    (layer,) = model.recurrent
    zero = torch.zeros(1, config.batch_size, layer.hidden, dtype=trained[0].dtype)
    state, total, count = [zero, zero], 0.0, 0
    for k in range(0, inputs.shape[1] - config.length + 1, config.length):
        part = slice(k, k + config.length)
        x = F.embedding(inputs[:, part], read(model.embedding.weight))
        weights = [read(w) for w in layer.weights()]
        y, *state = torch.lstm(x, state, weights, True, 1, 0.0, True, False, True)
        logits = F.linear(y, read(model.output.weight), read(model.output.bias))
        loss = F.cross_entropy(logits.flatten(0, 1), targets[:, part].flatten())
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, config.clip)
        adam.step()
        state = [s.detach() for s in state]
        total, count = total + loss.item(), count + 1
        yield total / count


def language(config: Config, text: Text) -> LanguageModel:
    """The network, to be read character by character."""
    embedding, *recurrent, output = config.network(len(text.vocabulary)).layers
    return LanguageModel(embedding, tuple(recurrent), output)


def go(run: Iterator[float], count: int) -> list[float]:
    """The next `count` losses."""
    return list(islice(run, count))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="write the table there")
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds (default 15)")
    parser.add_argument("--data-dir", help="folder of the text (default: MINIHASH_DATA)")
    options = parser.parse_args(arguments)
    text = load_text("tinyshakespeare", options.data_dir)

    table = Table("benchmarks.language")
    for choices, what in (({}, ""), ({"hash": "uniform"}, ", table[index]")):
        config = Config(model="lstm", **choices)
        mine, twin = (go(side(config, text, np.float64), 5) for side in (ours, pytorch))
        if not np.allclose(mine, twin, rtol=1e-9):
            raise SystemExit(f"losses disagree, not timed: {mine} and {twin}")
        runs = {side: side(config, text, np.float32) for side in (ours, pytorch)}
        times = alternate(
            {side: partial(go, run, STEPS) for side, run in runs.items()},
            options.rounds,
            prepare=lambda side, runs=runs: go(runs[side], 1),
        )
        per_epoch = -(-(len(text.train) - 1) // (config.batch_size * config.length))
        middle, *spread = ratio(times[ours], times[pytorch])
        a, b = (np.median(times[side]) / STEPS * per_epoch for side in (ours, pytorch))
        note = f"{a:.1f} s beside {b:.1f} s"
        row = f"epoch of characters, LSTM / PyTorch{what}"
        table.add(row, middle, 1.2, tuple(spread), note=note)
    return table.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
