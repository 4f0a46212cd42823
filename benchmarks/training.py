"""An epoch of MNIST with the paper's net: 784-200-200-10, ELU, BatchNorm, one table of 10 %.

    python -m benchmarks.training [--json FILE] [--rounds N] [--data-dir DIR]

At batches of 128 and of 50, ours beside PyTorch with `table[index]`, beside PyTorch's plain dense
net of the same shape (the same batches and standardised inputs, SGD with momentum, on the same
threads), and beside what a user without a framework has: scikit-learn's dense MLPClassifier, ReLU,
without BatchNorm; and beside ours operation by operation, as other networks train
(training/whole.py). Verified first: in float64 the losses of our first steps and of the
`table[index]` twin's agree, and scikit-learn's loss falls.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from unittest import mock

import numpy as np

from benchmarks.measure import Table, alternate, ratio
from minihash import core
from minihash.data import Dataset, load
from minihash.networks.arbnet import arbnet
from minihash.training import Training, batches, start, steps, whole

SIZES = (784, 200, 200, 10)
BATCHES = (128, 50)
NAMES = {
    "by operations": "operation by operation",
    "table[index]": "PyTorch, table[index]",
    "dense": "PyTorch, dense",
    "scikit-learn": "scikit-learn, dense",
}
TARGETS = {  # of a batch size: what ours takes of the time of each
    128: {"table[index]": 0.65, "dense": 1.25, "scikit-learn": 0.9},
    50: {"table[index]": 0.6, "dense": 1.1, "scikit-learn": 0.9},
}


def ours(data: Dataset, batch_size: int, dtype: type, count: int | None = None) -> list[float]:
    """One epoch (or `count` steps); the mean loss so far after each step."""
    network, training = arbnet(SIZES, hash="uniform", compression=0.1), Training(1, batch_size)
    state = start(network, training, dtype)
    losses = []
    run = steps(network, training, state, data.x_train, data.y_train, data.standardiser())
    for _, report in run:
        losses.append(report["loss"])
        if len(losses) == count:
            break
    return losses


def pytorch(
    data: Dataset, batch_size: int, hashed: bool, dtype: type, count: int | None = None
) -> list[float]:
    """The same with PyTorch: V = table[index], or a plain dense net."""
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(core.get_threads())
    network, training = arbnet(SIZES, hash="uniform", compression=0.1), Training(1, batch_size)
    params = start(network, training, dtype).params
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
    optimiser = torch.optim.SGD(trained, lr=training.rate, momentum=0.9)
    to_input = data.standardiser()
    losses, total, seen = [], 0.0, 0
    for batch in batches(len(data.x_train), batch_size, training.seed, 0):
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


def scikit_learn(data: Dataset, batch_size: int) -> Callable[[], float]:
    """An epoch more of a dense net of these sizes; the call gives the mean loss of the epoch."""
    from sklearn.neural_network import MLPClassifier

    net = MLPClassifier(
        SIZES[1:-1],
        solver="sgd",
        learning_rate_init=Training().rate,
        momentum=0.9,
        nesterovs_momentum=False,
        batch_size=batch_size,
        random_state=0,
    )
    x, classes = data.standardiser()(data.x_train), np.unique(data.y_train)

    def epoch() -> float:
        net.partial_fit(x, data.y_train, classes=classes)
        return net.loss_

    return epoch


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

    whole.PAYS = 0  # steps are compiled beforehand, as all kernels here are
    table = Table("benchmarks.training")

    def by_operations(data: Dataset, size: int) -> list[float]:
        with mock.patch("minihash.training.loop.whole_step", lambda *_: None):
            return ours(data, size, np.float32)

    for size in BATCHES:
        mine, twin = ours(data, size, np.float64, 5), pytorch(data, size, True, np.float64, 5)
        if not np.allclose(mine, twin, rtol=1e-9):
            raise SystemExit(f"losses disagree, not timed: {mine} and {twin}")
        other = scikit_learn(data, size)
        if not other() > other() > 0:
            raise SystemExit("scikit-learn's loss does not fall, not timed")
        sides: dict[str, Callable[[], object]] = {
            "ours": partial(ours, data, size, np.float32),
            "by operations": partial(by_operations, data, size),
            "table[index]": partial(pytorch, data, size, True, np.float32),
            "dense": partial(pytorch, data, size, False, np.float32),
            "scikit-learn": other,
        }
        times = alternate(sides, options.rounds)
        for side in NAMES:
            most = TARGETS[size].get(side)
            middle, *spread = ratio(times["ours"], times[side])
            note = f"{np.median(times['ours']):.2f} s beside {np.median(times[side]):.2f} s"
            what = f"epoch of {data.name}, batch {size} / {NAMES[side]}"
            table.add(what, middle, most, tuple(spread), note=note)
    return table.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
