"""The unrolled network: a recurrent layer as the feed-forward ArbNet that it is.

    step t    a = Dense_t(x_t),   r = Dense'_t(h_{t-1}),   state_t = cell(a, r, state_{t-1})

Each step is a layer of its own, with weights of its own: its identifiers are t n ... t n + n - 1,
where n is the size of one layer, weights and biases together. Under the modulus hash they are those
of step 0,

    bucket(t n + k) = hash((t n + k) mod n) = hash(k)

and that is all that makes the network recurrent. It holds for every gate of a GRU or an LSTM, each
of which is a block of rows of V_ih and V_hh. Here nothing is recurrent: it is built of Dense, Tanh,
Sigmoid and ReLU, as large as the sequence is long, to be compared with the layer, not to be fast.

Source: Chang & Lipson, ArbNets, section 2: the hash of an RNN.
"""

from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from minihash.checks import check_field, float_array
from minihash.derived import derived
from minihash.hashes import Compose, Hash, Identity, Modulus
from minihash.layers.dense import Dense
from minihash.layers.layer import Layer, Params
from minihash.layers.recurrent import Recurrent, State
from minihash.weights import VirtualWeight


@dataclass(frozen=True)
class Unrolled(Layer):
    """The recurrent `layer` unrolled over `length` steps; it reads the layer's parameters.

    layer: one whose weights are numbered from 0 under one hash, as `numbered` makes it.
    Raises TypeError or ValueError for anything else.

    >>> from minihash.layers.rnn import RNN
    >>> layer = RNN.numbered(2, 3, Modulus(21))
    >>> net = Unrolled(layer, 100)
    >>> [w.first_id for w in net.weights()[:6]], len(net.weights())
    ([0, 6, 15, 18, 21, 27], 400)
    >>> params = {"table": np.linspace(-1, 1, 21)}
    >>> x = np.ones((1, 100, 2))
    >>> bool(np.allclose(net.forward(params, x)[0], layer.forward(params, x)[0]))
    True
    """

    layer: Recurrent
    length: int

    def __post_init__(self) -> None:
        if not isinstance(self.layer, Recurrent):
            raise TypeError(f"only an RNN, a GRU or an LSTM can be unrolled, got {self.layer!r}")
        check_field(self, "length", 1, 2**31 - 1)
        first_id = 0
        for w in self.layer.weights():
            first = self.layer.weight_ih
            if (w.hash, w.table, w.first_id) != (first.hash, first.table, first_id):
                raise ValueError(
                    "the weights of a layer to be unrolled must be numbered from 0 under one hash, "
                    f"got {w} where {first_id} comes next; make the layer with `numbered`"
                )
            first_id += w.size
        if self.layer.truncate:
            raise ValueError("a layer to be unrolled must not be truncated; set truncate to None")

    @property
    def n(self) -> int:
        """The size of one layer, weights and biases."""
        return sum(w.size for w in self.layer.weights())

    @property
    def hash(self) -> Hash:
        """The hash of the whole network: the modulus hash, then that of the layer if it has one."""
        inner, outer = Modulus(self.n), self.layer.weight_ih.hash
        if isinstance(outer, (Identity, Modulus)) and outer.buckets == self.n and not outer.signed:
            return inner
        return Compose(inner, outer)

    @derived
    def steps(self) -> tuple[tuple[Dense, Dense], ...]:
        """For each step the layer on its input, and the layer on the state before it."""
        hash_, n, layer = self.hash, self.n, self.layer

        def own(w: VirtualWeight, t: int) -> VirtualWeight:
            return replace(w, hash=hash_, first_id=t * n + w.first_id)

        def dense(w: VirtualWeight, b: VirtualWeight | None, t: int) -> Dense:
            return Dense(own(w, t), None if b is None else own(b, t))

        return tuple(
            (
                dense(layer.weight_ih, layer.bias_ih, t),
                dense(layer.weight_hh, layer.bias_hh, t),
            )
            for t in range(self.length)
        )

    def weights(self) -> tuple[VirtualWeight, ...]:
        """All weights of all steps, in the order of their identifiers."""
        ws = (
            w
            for on_x, on_h in self.steps
            for pair in zip_longest(on_x.weights(), on_h.weights())
            for w in pair
        )
        return tuple(w for w in ws if w is not None)

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None, state: State | None = None
    ) -> tuple[np.ndarray, Any]:
        """x (batch, length, features) -> y (batch, length, hidden), as the layer has it.

        state: where the sequences start; None: 0. Raises TypeError or ValueError as the layer does.
        """
        x = float_array(x, "x of Unrolled", (None, self.length, self.layer.features))
        states = self.layer.to_arrays(state, "state of Unrolled", len(x), x.dtype)
        h, caches = [], []
        for t, (on_x, on_h) in enumerate(self.steps):
            a, cache_x = on_x.forward(params, x[:, t], step)
            r, cache_h = on_h.forward(params, states[0], step)
            before = states
            states, kept = self.layer.step(self._gates(a), self._gates(r), before)
            h.append(states[0])
            caches.append((cache_x, cache_h, kept, before))
        return np.stack(h, axis=1), (caches, states)

    def backward(self, params: Params, cache: Any, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy (batch, length, hidden) -> dx, of x's shape, and the gradient of each table."""
        dx, _, grads = self.backward_state(params, cache, dy)
        return dx, grads

    def backward_state(
        self, params: Params, cache: Any, dy: np.ndarray, dstate: State | None = None
    ) -> tuple[np.ndarray, State, Params]:
        """`backward`, from the gradient of the final state too (None: 0): dx, the gradient of the
        initial state, and that of each table, the sum over all steps."""
        caches, final = cache
        shape = (len(final[0]), self.length, self.layer.hidden)
        dy = float_array(dy, "dy of Unrolled", shape, final[0].dtype)
        dstates = self.layer.to_arrays(dstate, "dstate of Unrolled", len(dy), dy.dtype)
        grads: Params = {}
        dx = []
        for t in reversed(range(self.length)):
            (on_x, on_h), (cache_x, cache_h, kept, before) = self.steps[t], caches[t]
            dstates = (dstates[0] + dy[:, t], *dstates[1:])
            da, dr, direct = self.layer.step_back(kept, before, dstates)
            dx_t, more_x = on_x.backward(params, cache_x, np.hstack(da))
            dh, more_h = on_h.backward(params, cache_h, np.hstack(dr))
            dstates = (direct[0] + dh, *direct[1:])
            dx.append(dx_t)
            for name, grad in [*more_x.items(), *more_h.items()]:
                grads[name] = grads[name] + grad if name in grads else grad
        return np.stack(dx[::-1], axis=1), self.layer.from_arrays(dstates), grads

    def _gates(self, a: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(np.split(a, self.layer.gates, axis=1))

    def state(self, cache: Any) -> State:
        """The state after the forward pass that left `cache`."""
        return self.layer.from_arrays(cache[1])
