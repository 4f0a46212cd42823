"""Recurrent layers: what RNN, GRU and LSTM share.

    a_t = V_ih x_t + b_ih,   r_t = V_hh h_{t-1} + b_hh             the rows of G gates one another
    state_t = cell(a_t, r_t, state_{t-1}),   y_t = h_t             after another: G hidden

    backward, t = T ... 1, from dstate_T
        dh_t += dy_t
        da_t, dr_t, dstate_{t-1} = the cell's own from dstate_t
        dh_{t-1} += V_hh^T dr_t
        dx_t = V_ih^T da_t
    dV_ih = sum of da_t x_t^T,   dV_hh = sum of dr_t h_{t-1}^T         over all steps and sequences
    db_ih = sum of da_t,   db_hh = sum of dr_t,   and of tables, by scatter_add

Each of the four weights is virtual, under any hash; each is gathered once for all steps, which is
what makes the unrolled network an ArbNet under the modulus hash (unrolled.py). Weights that read
one table add their gradients up.

Source: Werbos, Backpropagation through time, 1990; the conventions are torch.nn.RNN's, batch first.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from minihash import core
from minihash.checks import check_count, check_field, float_array, parameter
from minihash.hashes import Hash, Identity
from minihash.layers.layer import Layer, Params
from minihash.weights import VirtualWeight

State = np.ndarray | tuple[np.ndarray, ...]  # h, or the LSTM's (h, c)
States = tuple[np.ndarray, ...]  # the same, as arrays (batch, hidden) of any number
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Cache(NamedTuple):
    """What backward needs: the shape (batch, length) and dtype of x, the state after the last step,
    and what the core keeps."""

    shape: tuple[int, int]
    dtype: np.dtype
    final: States
    tape: tuple


@dataclass(frozen=True)
class Recurrent(Layer):
    """Base of RNN, GRU and LSTM: their weights, and the passes through all steps.

    weight_ih: a virtual weight (G hidden, features); weight_hh: (G hidden, hidden); bias_ih and
    bias_hh: (G hidden,) each, or None. truncate: None, or k: gradients flow from no window of k
    steps to the one before (truncated back-propagation through time).
    Raises TypeError or ValueError if they are anything else.
    """

    weight_ih: VirtualWeight
    weight_hh: VirtualWeight
    bias_ih: VirtualWeight | None = None
    bias_hh: VirtualWeight | None = None
    truncate: int | None = None

    # What a cell is: its equations, bodies of real numbers (compile/reals.py) of tuples.
    gates: ClassVar[int]
    states: ClassVar[int] = 1  # arrays of its state
    step: ClassVar[Callable]  # (a, r, state) -> the next state, and what step_back reads
    step_back: ClassVar[Callable]  # (that, state before, dstate) -> da, dr, dstate before

    def __post_init__(self) -> None:
        cell, gates = type(self).__name__, self.gates
        for name in NAMES:
            w = getattr(self, name)
            if not isinstance(w, VirtualWeight) and not (w is None and name.startswith("bias")):
                raise TypeError(f"{name} of {cell} must be a VirtualWeight, got {w!r}; make one")
        if len(self.weight_hh.shape) != 2 or self.weight_hh.shape[0] != gates * self.hidden:
            raise ValueError(
                f"weight_hh of {cell} must have shape ({gates} hidden, hidden), got "
                f"{self.weight_hh.shape}; reshape it"
            )
        rows = gates * self.hidden
        if len(self.weight_ih.shape) != 2 or self.weight_ih.shape[0] != rows:
            raise ValueError(
                f"weight_ih of {cell} must have shape ({rows}, features) to go with its weight_hh, "
                f"got {self.weight_ih.shape}; reshape it"
            )
        for name in NAMES[2:]:
            if (bias := getattr(self, name)) is not None and bias.shape != (rows,):
                raise ValueError(
                    f"{name} of {cell} must have shape ({rows},), got {bias.shape}; give it one "
                    "entry for each row of weight_hh"
                )
        if self.truncate is not None:
            check_field(self, "truncate", 1, 2**63 - 1)

    @classmethod
    def plain(
        cls, name: str, features: int, hidden: int, bias: bool = True, **options: Any
    ) -> "Recurrent":
        """A layer of free weights: four tables (two without biases), name.weight_ih and so on.

        options: the other fields. Raises TypeError or ValueError as the layer does.
        """
        shapes = cls._shapes(features, hidden, bias)
        weights: dict[str, Any] = {
            key: VirtualWeight(shape, Identity(math.prod(shape)), f"{name}.{key}")
            for key, shape in shapes.items()
        }
        return cls(**weights, **options)

    @classmethod
    def numbered(
        cls,
        features: int,
        hidden: int,
        hash: Hash,
        table: str = "table",
        first_id: int = 0,
        bias: bool = True,
        **options: Any,
    ) -> "Recurrent":
        """A layer under one hash: the identifiers from first_id on are those of weight_ih,
        weight_hh, bias_ih and bias_hh, one after another.

        options: the other fields. Raises TypeError or ValueError as the layer does.
        """
        weights: dict[str, Any] = {}
        for name, shape in cls._shapes(features, hidden, bias).items():
            weights[name] = VirtualWeight(shape, hash, table, first_id)
            first_id += weights[name].size
        return cls(**weights, **options)

    @classmethod
    def _shapes(cls, features: int, hidden: int, bias: bool) -> dict[str, tuple[int, ...]]:
        features = check_count("features", features, 1, 2**31 - 1)
        hidden = check_count("hidden", hidden, 1, 2**31 - 1)
        rows = cls.gates * hidden
        shapes = (rows, features), (rows, hidden), (rows,), (rows,)
        return dict(zip(NAMES if bias else NAMES[:2], shapes, strict=False))

    @property
    def features(self) -> int:
        """Size of an input."""
        return self.weight_ih.shape[1]

    @property
    def hidden(self) -> int:
        """Size of h."""
        return self.weight_hh.shape[1]

    def weights(self) -> tuple[VirtualWeight, ...]:
        """weight_ih, weight_hh, and those of bias_ih and bias_hh that there are."""
        return tuple(w for w in self._named() if w is not None)

    def forward(
        self,
        params: Params,
        x: np.ndarray,
        step: int | None = None,
        state: State | None = None,
        lengths: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Cache]:
        """x (batch, length, features) -> y (batch, length, hidden), h at each step.

        state: where the sequences start, as `state` returns it, h (batch, hidden) or the LSTM's
        (h, c); None: 0. lengths: how many steps each sequence has, integers (batch,); beyond, x is
        padding, y is 0 and the state stays as it is. None: all have `length`.
        Raises TypeError or ValueError if an array has another shape, they differ in dtype, x has
        no steps, or a length is not in 1 .. length.
        """
        cell = type(self).__name__
        x = float_array(x, f"x of {cell}", (None, None, self.features), device=True)
        batch, length, _ = x.shape
        if length == 0:
            raise ValueError(f"x of {cell} must have at least 1 step, got {x.shape}; leave it out")
        ends = self._lengths(lengths, batch, length)
        start = self.to_arrays(state, f"state of {cell}", batch, x.dtype)
        weights = tuple(self._gathered(params, w, x.dtype) for w in self._named())
        y, final, tape = core.recur(self, x, start, ends, weights)
        return y, Cache((batch, length), x.dtype, final, tape)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy (batch, length, hidden) -> dx, of x's shape, and the gradient of each table."""
        dx, _, grads = self.backward_state(params, cache, dy)
        return dx, grads

    def backward_state(
        self, params: Params, cache: Cache, dy: np.ndarray, dstate: State | None = None
    ) -> tuple[np.ndarray, State, Params]:
        """`backward`, from the gradient of the final state too (None: 0): dx, the gradient of the
        initial state, and that of each table. What of dy lies in the padding does not matter."""
        cell = type(self).__name__
        shape = (*cache.shape, self.hidden)
        dy = float_array(dy, f"dy of {cell}", shape, cache.dtype, device=True)
        dfinal = self.to_arrays(dstate, f"dstate of {cell}", len(dy), cache.dtype)
        dx, dinitial, dweights = core.recur_backward(self, cache.tape, dy, dfinal)
        grads: Params = {}
        for w, dw in zip(self._named(), dweights, strict=True):
            if w is not None:
                dtable = core.scatter_add(dw.reshape(w.shape), w)
                grads[w.table] = core.add(grads[w.table], dtable) if w.table in grads else dtable
        return dx, self.from_arrays(dinitial), grads

    def state(self, cache: Cache) -> State:
        """The state after the forward pass that left `cache`, from which the next may start."""
        return self.from_arrays(cache.final)

    def to_arrays(self, state: State | None, name: str, batch: int, dtype: np.dtype) -> States:
        """The arrays of a state, checked; None: zeros."""
        shape = (batch, self.hidden)
        if state is None:
            return tuple(np.zeros(shape, dtype) for _ in range(self.states))
        given: Any = state
        if self.states == 1:
            return (float_array(given, name, shape, dtype, device=True),)
        if not isinstance(state, (tuple, list)) or len(state) != self.states:
            raise TypeError(f"{name} must be a pair (h, c) of arrays, got {type(state).__name__}")
        return tuple(
            float_array(s, f"{part} of the {name}", shape, dtype, device=True)
            for part, s in zip("hc", state, strict=True)
        )

    def from_arrays(self, states: States) -> State:
        """The state of these arrays, as the user has it."""
        return states if self.states > 1 else states[0]

    def _named(self) -> list[VirtualWeight | None]:
        return [getattr(self, name) for name in NAMES]

    @staticmethod
    def _gathered(params: Params, w: VirtualWeight | None, dtype: np.dtype) -> np.ndarray | None:
        if w is None:
            return None
        return core.gather(parameter(params, w.table, (w.hash.buckets,), dtype, device=True), w)

    def _lengths(self, lengths: np.ndarray | None, batch: int, length: int) -> np.ndarray:
        if lengths is None:
            return np.full(batch, length)
        ends, what = np.asarray(lengths), f"lengths of {type(self).__name__}"
        if ends.size and ends.dtype.kind not in "iu":  # [] has no kind
            raise TypeError(f"{what} must be integers, got {ends.dtype}; convert them first")
        if ends.shape != (batch,):
            raise ValueError(f"{what} must have shape ({batch},), got {ends.shape}; reshape them")
        if batch and not (ends.min() >= 1 and ends.max() <= length):
            raise ValueError(
                f"{what} must lie in 1 .. {length}, got {ends.min()} .. {ends.max()}; leave empty "
                "sequences out and pad x to the longest"
            )
        return ends.astype(np.intp)
