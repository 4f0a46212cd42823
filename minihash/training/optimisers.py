"""Room 6: optimisers, as torch.optim has them.

    g' = g + weight_decay w

SGD     v' = momentum v + (1 - dampening) g'                                 v' = g' at first
        w' = w - rate v'                               or, with Nesterov,
        w' = w - rate (g' + momentum v')

Adam    m' = m + (1 - beta1) (g' - m),   v' = beta2 v + (1 - beta2) g'^2     m = v = 0 at first
        w' = w - rate / (1 - beta1^t) m' / (sqrt(v') / sqrt(1 - beta2^t) + eps),   t = 1, 2, ...

Clipped g' = g min(1, max_norm / (norm + 1e-6)),   norm^2 = sum over all entries of all g of g^2
        and then the step of another optimiser with g'

A step is a pure function of the parameters w, their gradients g and a state, a flat dict of arrays
such as "momentum.table" which a checkpoint can hold as it holds parameters. Arithmetic is in the
dtype of w.

Sources: Sutskever et al., ICML 2013 (momentum, Nesterov's); Kingma & Ba, arXiv 1412.6980,
algorithm 1 (Adam); the order of operations is that of torch.optim.SGD and torch.optim.Adam;
Pascanu, Mikolov & Bengio, arXiv 1211.5063 (clipping), as torch.nn.utils.clip_grad_norm_ has it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from minihash.checks import float_array, parameter, ready, real_field

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with momentum.

    Under dampening, Torch7's default, the state counts steps in "step": the first is not damped.
    Raises TypeError or ValueError for a number out of range, Nesterov or dampening without
    momentum, or both together.

    >>> optimiser = SGD(momentum=0.5)
    >>> w = {"table": np.array([1.0, 2.0])}
    >>> state = optimiser.init(w, ["table"])
    >>> w, state = optimiser.step(w, {"table": np.array([4.0, 0.0])}, state, rate=0.25)
    >>> w, state
    ({'table': array([0., 2.])}, {'momentum.table': array([4., 0.])})
    """

    momentum: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    dampening: float = field(default=0.0, metadata={"later": True})

    def __post_init__(self) -> None:
        real_field(self, "momentum", 0, math.inf)
        real_field(self, "weight_decay", 0, math.inf)
        real_field(self, "dampening", 0, 1)
        if self.nesterov and self.momentum == 0:
            raise ValueError(
                "Nesterov's step needs a momentum, got 0; set momentum or drop nesterov"
            )
        if self.dampening and (self.momentum == 0 or self.nesterov):
            raise ValueError(
                "dampening needs a momentum that is not Nesterov's, got momentum "
                f"{self.momentum}, nesterov {self.nesterov}; set momentum, drop one of the others"
            )

    @property
    def gain(self) -> float:
        """How far a gradient moves w in all, in units of the rate: momentum repeats it."""
        return (1 - self.dampening) / (1 - self.momentum) if self.momentum < 1 else math.inf

    def init(self, params: Arrays, names: Iterable[str]) -> Arrays:
        """The state before the first step on the parameters called `names`."""
        velocity = _zeros("momentum", params, names) if self.momentum else {}
        return {"step": np.array(0, np.int64)} | velocity if self.dampening else velocity

    @np.errstate(invalid="ignore", over="ignore")  # a diverged run shows in its loss
    def step(
        self, params: Arrays, grads: Arrays, state: Arrays, rate: float
    ) -> tuple[Arrays, Arrays]:
        """(new_params, new_state); parameters without a gradient are handed through.

        Raises ValueError for a gradient or state that does not fit its parameter, TypeError for
        dtypes that differ.
        """
        new_params, new_state, rate = dict(params), dict(state), float(rate)
        part = 1.0
        if self.dampening:
            if "step" not in state:
                raise ValueError("the state of a damped SGD has no step; make it with init")
            new_state["step"] = np.array(int(state["step"]) + 1, np.int64)
            part = 1 - self.dampening if state["step"] else 1.0
        for name in grads:
            w, g = _pair(params, grads, name)
            if self.weight_decay:
                g = g + self.weight_decay * w
            if self.momentum:
                v = self.momentum * parameter(state, f"momentum.{name}", w.shape, w.dtype)
                v += g if part == 1 else part * g
                new_state[f"momentum.{name}"] = v
                g = g + self.momentum * v if self.nesterov else v
            new_params[name] = _minus(w, rate * g)
        return new_params, new_state


@dataclass(frozen=True)
class Adam:
    """Adam. Its state counts the steps in "step", for all parameters at once.

    Raises TypeError or ValueError for a number out of range.

    >>> optimiser = Adam()
    >>> w = {"table": np.array([1.0, 2.0])}
    >>> state = optimiser.init(w, ["table"])
    >>> w, state = optimiser.step(w, {"table": np.array([4.0, 0.0])}, state, rate=0.25)
    >>> w["table"].round(6), int(state["step"])
    (array([0.75, 2.  ]), 1)
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        real_field(self, "beta1", 0, 1, open_end=True)
        real_field(self, "beta2", 0, 1, open_end=True)
        real_field(self, "eps", 0, math.inf)
        real_field(self, "weight_decay", 0, math.inf)

    @property
    def gain(self) -> float:
        """1: the first moment is a mean."""
        return 1.0

    def init(self, params: Arrays, names: Iterable[str]) -> Arrays:
        """The state before the first step on the parameters called `names`."""
        names = list(names)
        moments = _zeros("first_moment", params, names) | _zeros("second_moment", params, names)
        return {"step": np.array(0, np.int64)} | moments

    @np.errstate(
        invalid="ignore", over="ignore", divide="ignore"
    )  # a diverged run shows in its loss
    def step(
        self, params: Arrays, grads: Arrays, state: Arrays, rate: float
    ) -> tuple[Arrays, Arrays]:
        """(new_params, new_state); parameters without a moment in the state are handed through.

        Raises ValueError unless there is a gradient for each parameter that the state was made for,
        and for one that does not fit its parameter; TypeError for dtypes that differ.
        """
        names = {key.partition(".")[2] for key in state if key.startswith("first_moment.")}
        if names != set(grads) or "step" not in state:
            raise ValueError(
                f"Adam's state is for {', '.join(sorted(names)) or 'nothing'}, got gradients of "
                f"{', '.join(sorted(grads)) or 'nothing'}; make the state with init"
            )
        t = int(state["step"]) + 1
        size = float(rate) / (1 - self.beta1**t)
        correction = math.sqrt(1 - self.beta2**t)
        new_params, new_state = dict(params), {"step": np.array(t, np.int64)}
        for name in grads:
            w, g = _pair(params, grads, name)
            m = parameter(state, f"first_moment.{name}", w.shape, w.dtype)
            v = parameter(state, f"second_moment.{name}", w.shape, w.dtype)
            if self.weight_decay:
                g = g + self.weight_decay * w
            new_m = g - m
            new_m *= 1 - self.beta1
            new_m += m
            new_v = g * g
            new_v *= 1 - self.beta2
            new_v += self.beta2 * v
            new_state |= {f"first_moment.{name}": new_m, f"second_moment.{name}": new_v}
            root = np.sqrt(new_v)
            root /= correction
            root += self.eps
            change = np.divide(new_m, root, out=root)
            change *= size
            new_params[name] = _minus(w, change)
        return new_params, new_state


@dataclass(frozen=True)
class Clipped:
    """Another optimiser, on gradients clipped by their norm; its state is the other's.

    Raises TypeError or ValueError unless `optimiser` is one and max_norm is at least 0.

    >>> optimiser = Clipped(SGD(), max_norm=1.0)
    >>> w, grads = {"table": np.array([1.0, 2.0])}, {"table": np.array([30.0, 40.0])}
    >>> optimiser.step(w, grads, optimiser.init(w, ["table"]), rate=1.0)[0]["table"].round(6)
    array([0.4, 1.2])
    """

    optimiser: SGD | Adam
    max_norm: float

    def __post_init__(self) -> None:
        if not isinstance(self.optimiser, (SGD, Adam)):
            raise TypeError(f"Clipped needs an SGD or an Adam, got {self.optimiser!r}; make one")
        real_field(self, "max_norm", 0, math.inf)

    @property
    def gain(self) -> float:
        """That of the optimiser."""
        return self.optimiser.gain

    def init(self, params: Arrays, names: Iterable[str]) -> Arrays:
        """The state before the first step on the parameters called `names`."""
        return self.optimiser.init(params, names)

    def step(
        self, params: Arrays, grads: Arrays, state: Arrays, rate: float
    ) -> tuple[Arrays, Arrays]:
        """(new_params, new_state), as the optimiser's with clipped gradients. Raises as it does."""
        return self.optimiser.step(params, clip_by_norm(grads, self.max_norm)[0], state, rate)


@np.errstate(invalid="ignore", over="ignore")  # a diverged run shows in its loss
def clip_by_norm(grads: Arrays, max_norm: float) -> tuple[Arrays, float]:
    """The gradients, scaled down so that the norm of all together is at most max_norm; and the norm
    that they had, summed in float64.

    As torch.nn.utils.clip_grad_norm_: an infinite norm gives 0 and NaN, a NaN gives NaN.
    Raises TypeError for a gradient that is not float32 or float64, ValueError unless max_norm is
    at least 0.

    >>> clip_by_norm({"w": np.array([3.0]), "b": np.array([4.0])}, max_norm=10.0)
    ({'w': array([3.]), 'b': array([4.])}, 5.0)
    """
    if not max_norm >= 0:
        raise ValueError(f"max_norm must be at least 0, got {max_norm}; try 1.0")
    arrays = {name: float_array(g, f"the gradient of {name!r}", None) for name, g in grads.items()}
    flat = (g.reshape(-1) for g in arrays.values())
    norm = math.sqrt(sum(float(np.einsum("i,i->", g, g, dtype=np.float64)) for g in flat))
    factor = np.minimum(max_norm / (norm + 1e-6), 1.0)  # NaN stays
    return {
        name: np.multiply(g, g.dtype.type(factor), out=np.empty_like(g))
        for name, g in arrays.items()
    }, norm


def _zeros(kind: str, params: Arrays, names: Iterable[str]) -> Arrays:
    return {f"{kind}.{name}": np.zeros_like(parameter(params, name, None)) for name in names}


def _pair(params: Arrays, grads: Arrays, name: str) -> tuple[np.ndarray, np.ndarray]:
    w, g = parameter(params, name, None), grads[name]
    if not ready(g, w.shape, w.dtype):
        g = float_array(g, f"the gradient of {name!r}", w.shape, w.dtype)
    return w, g


def _minus(w: np.ndarray, change: np.ndarray) -> np.ndarray:
    """w - change, in the memory of `change`, which is the step's own."""
    return np.subtract(w, change, out=change)
