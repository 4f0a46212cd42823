"""An epoch of MNIST with the paper's net: 784-200-200-10, ELU, BatchNorm, one table of 10 %.

    python -m benchmarks.training [--json FILE] [--rounds N] [--data-dir DIR]

Ours beside PyTorch with `table[index]` and beside PyTorch's plain dense net of the same shape: the
same batches of 128, the same standardised inputs, SGD with momentum, on the same threads. Verified
first: in float64 the losses of our first steps and of the `table[index]` twin's agree.
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.measure import Table, alternate, ratio
from minihash import core
from minihash.data import Dataset, load
from minihash.networks.arbnet import arbnet
from minihash.training import Training, batches, start, steps

SIZES = (784, 200, 200, 10)
TRAINING = Training(epochs=1, batch_size=128)


def ours(data: Dataset, dtype: type, count: int | None = None) -> list[float]:
    """One epoch (or `count` steps); the mean loss so far after each step."""
    network = arbnet(SIZES, hash="uniform", compression=0.1)
    state = start(network, TRAINING, dtype)
    losses = []
    run = steps(network, TRAINING, state, data.x_train, data.y_train, data.standardiser())
    for _, report in run:
        losses.append(report["loss"])
        if len(losses) == count:
            break
    return losses


def pytorch(data: Dataset, hashed: bool, dtype: type, count: int | None = None) -> list[float]:
    """The same with PyTorch: V = table[index], or a plain dense net."""
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(core.get_threads())
    network = arbnet(SIZES, hash="uniform", compression=0.1)
    params = start(network, TRAINING, dtype).params
    leaf = {k: torch.from_numpy(v).requires_grad_("running" not in k) for k, v in params.items()}
    weights = [w for w in network.weights() if len(w.shape) == 2]
    if hashed:
        index = []
        for w in weights:
            ids = np.arange(w.size, dtype=np.uint64) + np.uint64(w.first_id)
            index.append(torch.from_numpy(w.hash.bucket(ids).astype(np.int64).reshape(w.shape)))
    else:
        table = leaf.pop("table")
        dense = [torch.from_numpy(core.gather(table.detach().numpy(), w)) for w in weights]
        leaf |= {f"dense{k}": V.requires_grad_() for k, V in enumerate(dense, 1)}
    trained = [t for t in leaf.values() if t.requires_grad]
    optimiser = torch.optim.SGD(trained, lr=TRAINING.rate, momentum=0.9)
    to_input = data.standardiser()
    losses, total, seen = [], 0.0, 0
    for batch in batches(len(data.x_train), TRAINING.batch_size, TRAINING.seed, 0):
        x = torch.from_numpy(to_input(data.x_train[batch], dtype))
        labels = torch.from_numpy(data.y_train[batch])
        for k in range(1, len(SIZES)):
            V = leaf["table"][index[k - 1]] if hashed else leaf[f"dense{k}"]
            x = F.elu(F.linear(x, V, leaf[f"dense{k}.bias"]))
            mean, var = leaf[f"norm{k}.running_mean"], leaf[f"norm{k}.running_var"]
            x = F.batch_norm(x, mean, var, leaf[f"norm{k}.gamma"], leaf[f"norm{k}.beta"], True)
        loss = F.cross_entropy(x, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total, seen = total + loss.item() * len(batch), seen + len(batch)
        losses.append(total / seen)
        if len(losses) == count:
            break
    return losses


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="write the table there")
    parser.add_argument("--rounds", type=int, default=15, help="timed epochs (default 15)")
    parser.add_argument("--data-dir", help="folder of MNIST (default: MINIHASH_DATA)")
    options = parser.parse_args(arguments)
    try:
        data = load("mnist", options.data_dir)
    except FileNotFoundError:
        data = load("digits", options.data_dir)
        print("MNIST was not found: an epoch is one of the 4,000 embedded digits")

    mine, twin = ours(data, np.float64, 5), pytorch(data, True, np.float64, 5)
    if not np.allclose(mine, twin, rtol=1e-9):
        raise SystemExit(f"losses disagree, not timed: {mine} and {twin}")

    def epoch(call: Callable, *more: object) -> Callable[[], object]:
        return lambda: call(data, *more, np.float32)

    sides = {"ours": epoch(ours), "table[index]": epoch(pytorch, True)}
    sides["dense"] = epoch(pytorch, False)
    times = alternate(sides, options.rounds)
    table = Table("benchmarks.training")
    for side, most in (("table[index]", 0.6), ("dense", 1.0)):
        middle, *spread = ratio(times["ours"], times[side])
        note = f"{np.median(times['ours']):.2f} s beside {np.median(times[side]):.2f} s"
        table.add(f"epoch of {data.name} / PyTorch, {side}", middle, most, tuple(spread), note=note)
    return table.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
