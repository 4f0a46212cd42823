"""PyTorch twins: the same networks from PyTorch's own operators, differentiated by its autograd.

A virtual weight is `table[index] * sign`, whose backward pass is PyTorch's own scatter-add.
`params` and `plan` are those of reference/network.py; every other line is PyTorch's. The only file
here that imports torch.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from reference.layers import dropout_mask

Plan = list[tuple[str, dict[str, Any]]]
Loss = Callable[[Tensor, Tensor], Tensor]
ACTIVATIONS = {
    "elu": functional.elu,
    "relu": functional.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


def tensor(array: np.ndarray) -> Tensor:
    """A copy of an array, of any strides and byte order, as a tensor of its dtype.

    >>> tensor(np.arange(3)[::-1])
    tensor([2, 1, 0])
    """
    array = np.asarray(array)
    return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C"))


def tensors(params: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """Copies of the parameters as leaves of autograd.

    >>> tensors({"table": np.ones(2)})["table"].requires_grad
    True
    """
    return {name: tensor(array).requires_grad_() for name, array in params.items()}


def virtual_weight(table: Tensor, index: np.ndarray, sign: np.ndarray) -> Tensor:
    """V = table[index] * sign, of the shape of index.

    >>> virtual_weight(torch.tensor([5.0, 7.0]), np.array([1, 1]), np.array([1, -1]))
    tensor([ 7., -7.])
    """
    return table[tensor(index).long()] * tensor(sign).to(table.dtype)


def dense(x: Tensor, V: Tensor, b: Tensor | None = None) -> Tensor:
    """y = x V^T + b.

    >>> dense(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
    tensor([[11.]])
    """
    return functional.linear(x, V, b)


def convolution(x: Tensor, V: Tensor, b: Tensor | None = None, *geometry: object) -> Tensor:
    """Images (batch, channels, height, width) or sequences (batch, channels, length); geometry:
    stride, padding, dilation, groups.

    >>> convolution(torch.ones(1, 1, 3), torch.ones(1, 1, 2), torch.ones(1), 1, 1)
    tensor([[[2., 3., 3., 2.]]])
    """
    return (functional.conv1d if x.dim() == 3 else functional.conv2d)(x, V, b, *geometry)


def max_pool(x: Tensor, size: object, stride: object, padding: object = 0) -> Tensor:
    """The largest of each window of images.

    >>> max_pool(torch.tensor([[[[1.0, 5.0], [2.0, 3.0]]]]), 2, 2)
    tensor([[[[5.]]]])
    """
    return functional.max_pool2d(x, size, stride, padding)


def average_pool(x: Tensor, size: object, stride: object, padding: object = 0) -> Tensor:
    """The mean of each window of images, taps in the padding counted.

    >>> average_pool(torch.tensor([[[[1.0, 5.0], [2.0, 4.0]]]]), 2, 2)
    tensor([[[[3.]]]])
    """
    return functional.avg_pool2d(x, size, stride, padding)


def batch_norm(
    x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, training: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """(y, running mean, running variance), torch.nn.BatchNorm1d with its defaults.

    >>> ones = torch.ones(1)
    >>> batch_norm(torch.tensor([[3.0]]), ones, ones, ones, 4 - 1e-5 * ones, training=False)[0]
    tensor([[2.]])
    """
    mean, variance = mean.detach().clone(), variance.detach().clone()
    y = functional.batch_norm(x, mean, variance, gamma, beta, training, momentum=0.1, eps=1e-5)
    return y, mean, variance


def dropout(x: Tensor, mask: np.ndarray, rate: float) -> Tensor:
    """y = x / (1 - rate) where the mask keeps, 0 elsewhere.

    >>> dropout(torch.tensor([1.0, 1.0]), np.array([True, False]), 0.5)
    tensor([2., 0.])
    """
    return torch.where(tensor(mask), x / (1 - rate), torch.zeros_like(x))


def network(
    params: dict[str, Tensor], plan: Plan, x: Tensor, step: int | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """(y, the new running statistics of a training step by name).

    >>> network({}, [("relu", {})], torch.tensor([[-1.0, 2.0]]))[0]
    tensor([[0., 2.]])
    """
    running = {}
    for kind, options in plan:
        if kind == "dense":
            bias = options["bias"]
            b = None if bias is None else _virtual(params, bias)
            x = dense(x, _virtual(params, options["weight"]), b)
        elif kind == "embedding":
            x = functional.embedding(x.long(), _virtual(params, options["weight"]))
        elif kind == "batch_norm":
            names = [options[part] for part in ("gamma", "beta", "mean", "variance")]
            values = [params[name] for name in names]
            x, mean, variance = batch_norm(x, *values, training=step is not None)
            if step is not None:
                running |= {options["mean"]: mean, options["variance"]: variance}
        elif kind == "dropout":
            if step is not None:
                mask = dropout_mask(tuple(x.shape), options["rate"], options["seed"], step)
                x = dropout(x, mask, options["rate"])
        else:
            x = ACTIVATIONS[kind](x)
    return x, running


def _virtual(params: dict[str, Tensor], weight: tuple[str, np.ndarray, np.ndarray]) -> Tensor:
    name, index, sign = weight
    return virtual_weight(params[name], index, sign)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Softmax cross-entropy with integer labels, the mean over the batch.

    >>> float(cross_entropy(torch.zeros(1, 1), torch.tensor([0])))
    0.0
    """
    return functional.cross_entropy(logits, labels.long())


def mean_squared_error(y: Tensor, target: Tensor) -> Tensor:
    """The mean over all elements.

    >>> float(mean_squared_error(torch.zeros(1, 2), torch.tensor([[0.0, 2.0]])))
    2.0
    """
    return functional.mse_loss(y, target)


def loss_and_gradients(
    params: dict[str, np.ndarray],
    plan: Plan,
    x: np.ndarray,
    target: np.ndarray,
    step: int | None = None,
    loss: Loss = cross_entropy,
) -> tuple[float, np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(loss, y, gradients by name with "x" for that of the input, new running statistics). The
    gradient of tokens, which is none, is 0.

    >>> x, target = np.array([[3.0]]), np.array([[1.0]])
    >>> loss_and_gradients({}, [("relu", {})], x, target, loss=mean_squared_error)[2]
    {'x': array([[4.]])}
    """
    leaves = tensors(params)
    leaf = tensor(x).requires_grad_()
    y, running = network(leaves, plan, leaf, step)
    value = loss(y, tensor(target))
    value.backward()
    grads = {name: t.grad.numpy() for name, t in leaves.items() if t.grad is not None}
    new = {name: t.numpy() for name, t in running.items()}
    dx = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
    return value.item(), y.detach().numpy(), grads | {"x": dx.numpy()}, new


def train(
    params: dict[str, np.ndarray],
    plan: Plan,
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    optimiser: Callable[[list[Tensor]], torch.optim.Optimizer],
    loss: Loss = cross_entropy,
    first_step: int = 0,
) -> list[dict[str, np.ndarray]]:
    """All parameters and running statistics after each of the steps first_step, first_step + 1, ...

    >>> parameters = {"w": np.array([1.0])}
    >>> plan = [("dense", {"weight": ("w", np.array([[0]]), np.array([[1]])), "bias": None})]
    >>> batch = np.array([[1.0]]), np.array([[0.0]])
    >>> sgd = lambda leaves: torch.optim.SGD(leaves, lr=0.25)
    >>> train(parameters, plan, [batch], sgd, loss=mean_squared_error)
    [{'w': array([0.5])}]
    """
    leaves, after = tensors(params), []
    statistics = {
        options[part]
        for kind, options in plan
        if kind == "batch_norm"
        for part in ("mean", "variance")
    }
    stepper = optimiser([t for name, t in leaves.items() if name not in statistics])
    for step, (x, target) in enumerate(batches, first_step):
        stepper.zero_grad()
        y, running = network(leaves, plan, tensor(x), step)
        loss(y, tensor(target)).backward()
        stepper.step()
        leaves.update(running)
        after.append({name: t.detach().numpy().copy() for name, t in leaves.items()})
    return after


def recurrent(
    kind: str,
    weights: list[np.ndarray],
    x: np.ndarray,
    state: list[np.ndarray],
    dy: np.ndarray,
    dstate: list[np.ndarray],
    lengths: list[int],
) -> dict[str, np.ndarray]:
    """Everything that torch.nn.RNN ("tanh", "relu"), GRU or LSTM computes of a packed batch.

    That is y, padded with 0, each array of the final state, and the gradients of <dy, y> +
    <dstate, final state> in x, each array of the state (batch, hidden) and each of the weights.

    weights: V_ih, V_hh, b_ih, b_hh. x: (batch, length, features), lengths: (batch,).

    >>> one, ones = np.ones((1, 1)), np.ones((1, 3, 1))
    >>> weights = [one, 2 * one, np.zeros(1), np.zeros(1)]
    >>> found = recurrent("relu", weights, ones, [one], ones, [0 * one], [2])
    >>> found["y"].ravel(), found["dx"].ravel()
    (array([3., 7., 0.]), array([3., 1., 0.]))
    """
    cells = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
    options = {} if kind in cells else {"nonlinearity": kind}
    sizes = np.shape(weights[0])[1], np.shape(weights[1])[1]
    options |= {"batch_first": True, "dtype": tensor(x).dtype}
    cell = cells.get(kind, torch.nn.RNN)(*sizes, **options)
    for name, w in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), weights, strict=True):
        setattr(cell, f"{name}_l0", torch.nn.Parameter(tensor(w)))
    leaf, *start = (tensor(array).requires_grad_() for array in (x, *state))
    layers = tuple(s[None] for s in start)
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        leaf, torch.tensor(lengths), batch_first=True, enforce_sorted=False
    )
    packed, final = cell(packed, layers if kind == "lstm" else layers[0])
    final = [s[0] for s in (final if kind == "lstm" else (final,))]
    y, _ = torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=len(x[0]))
    torch.autograd.backward([y, *final], [tensor(d) for d in (dy, *dstate)])
    found = {"y": y, "dx": leaf.grad}
    found |= {f"state{k}": s for k, s in enumerate(final)}
    found |= {f"dstate{k}": s.grad for k, s in enumerate(start)}
    found |= {f"d{name.removesuffix('_l0')}": w.grad for name, w in cell.named_parameters()}
    return {name: t.detach().numpy() for name, t in found.items()}
