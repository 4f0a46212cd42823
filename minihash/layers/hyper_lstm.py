"""HyperLSTM: a small LSTM scales the rows of a large one's weights, anew at every step.

    (h^, c^)_t = LSTM([h_{t-1}; x_t], (h^, c^)_{t-1})                               the small one
    e = h^_t,   z_h = A_h e + a_h,   z_x = A_x e + a_x,   z_b = A_b e               for each gate
    y = (D_h z_h) (V_hh h_{t-1}) + (D_x z_x) (V_ih x_t) + D_b z_b + b              entry by entry
    c_t = sigmoid(f + 1) c_{t-1} + sigmoid(i) tanh(g),   h_t = sigmoid(o) tanh(c_t)

    backward, from dy of a gate
        d(D_h z_h) = dy (V_hh h),  d(V_hh h) = dy (D_h z_h),   so for x;   d(D_b z_b) = db = dy
        dD = d(D z) z^T,  dz = D^T d(D z),  dA = dz e^T,  da = dz,  de = sum of A^T dz
        and de into h^_t, then through the small LSTM as through any other

Gates stand one after another, i, f, g, o as in lstm.py; the forget gates of both cells have 1 more.
V_ih, V_hh and the matrices of the small LSTM are virtual weights or other sources; A, a and D are
arrays of the layer. At the start A_h = A_x = 0, a = 1 and D_h = D_x = 0.1 / N_z: all rows are
scaled by 0.1; b and D_b are 0.

As the authors' code has it, e is h^ of this step; the paper's equation 11 takes the step before.
Their normalisation of layers and dropout of g are left out.

Source: Ha, Dai & Le, HyperNetworks, arXiv 1609.09106, eqs. 10 to 13 and A.2.3.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from minihash import core
from minihash.checks import check_count, float_array, parameter
from minihash.hashes import Identity
from minihash.layers.layer import Layer, Params
from minihash.layers.lstm import LSTM
from minihash.layers.recurrent import State, States
from minihash.sources import Weight, add, source_of
from minihash.sources.source import product, product_backward
from minihash.weights import VirtualWeight

MATRICES = ("weight_ih", "weight_hh", "small_ih", "small_hh", "small_b")
VECTORS = ("bias", "small_bias")


@dataclass(frozen=True)
class HyperLSTM(Layer):
    """A HyperLSTM of `hidden` units and a small LSTM of `small`. Its state is (h, c, h^, c^).

    name: of the arrays. weight_ih: (4 hidden, features); weight_hh: (4 hidden, hidden); small_ih:
    (4 small, hidden + features); small_hh: (4 small, small); small_b: A_b (4 N_z, small); bias: (4
    hidden,); small_bias: (4 small,). Raises TypeError or ValueError if they are anything else.

    >>> layer = HyperLSTM.plain("hyper", features=3, hidden=5, small=2, embedding=4)
    >>> params = {w.table: np.ones(w.hash.buckets) for w in layer.weights()}
    >>> params |= {name: np.full(shape, value) for name, (shape, value) in layer.arrays().items()}
    >>> y, cache = layer.forward(params, np.ones((2, 6, 3)))
    >>> y.shape, [s.shape for s in layer.state(cache)]
    ((2, 6, 5), [(2, 5), (2, 5), (2, 2), (2, 2)])
    """

    gates: ClassVar[int] = 4
    states: ClassVar[int] = 4  # arrays of its state

    name: str
    weight_ih: Weight
    weight_hh: Weight
    small_ih: Weight
    small_hh: Weight
    small_b: Weight
    bias: VirtualWeight
    small_bias: VirtualWeight

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"the name of HyperLSTM must be a string, got {self.name!r}")
        shapes = [source_of(getattr(self, field)).shape for field in (*MATRICES, *VECTORS)]
        if not all(len(shape) == 2 for shape in shapes[:5]) or shapes[4][0] % 4:
            raise ValueError(f"small_b must have shape (4 N_z, small), matrices two axes: {shapes}")
        H, X, R, Z = self.hidden, self.features, self.small, self.embedding
        wanted = _shapes(X, H, R, Z)
        for field, shape, want in zip((*MATRICES, *VECTORS), shapes, wanted, strict=True):
            if shape != want:
                raise ValueError(
                    f"{field} of a HyperLSTM of {H} and {R} units must have shape {want}, got "
                    f"{shape}; reshape it"
                )

    @classmethod
    def plain(
        cls, name: str, features: int, hidden: int, small: int, embedding: int
    ) -> "HyperLSTM":
        """A layer of free weights, tables name.weight_ih and so on. embedding: N_z."""
        given = {"features": features, "hidden": hidden, "small": small, "embedding": embedding}
        X, H, R, Z = (check_count(what, size, 1, 2**31 - 1) for what, size in given.items())
        weights: dict[str, Any] = {
            field: VirtualWeight(shape, Identity(math.prod(shape)), f"{name}.{field}")
            for field, shape in zip((*MATRICES, *VECTORS), _shapes(X, H, R, Z), strict=True)
        }
        return cls(name, **weights)

    @property
    def features(self) -> int:
        """Size of an input."""
        return self.weight_ih.shape[1]

    @property
    def hidden(self) -> int:
        """Size of h."""
        return self.weight_hh.shape[1]

    @property
    def small(self) -> int:
        """Size of h^."""
        return self.small_hh.shape[1]

    @property
    def embedding(self) -> int:
        """Size of z, N_z."""
        return self.small_b.shape[0] // 4

    def sources(self) -> tuple[Weight, ...]:
        """Its matrices, then its biases."""
        return tuple(getattr(self, field) for field in (*MATRICES, *VECTORS))

    def weights(self) -> tuple[VirtualWeight, ...]:
        """The virtual weights that they are made of."""
        return tuple(w for s in self.sources() for w in source_of(s).weights())

    def arrays(self) -> dict[str, tuple[tuple[int, ...], float]]:
        """A, a and D of h, x and the bias."""
        A, D, Z = (4 * self.embedding, self.small), (4, self.hidden, self.embedding), self.embedding
        found = {"A_h": (A, 0.0), "A_x": (A, 0.0), "a_h": (A[:1], 1.0), "a_x": (A[:1], 1.0)}
        found |= {"D_h": (D, 0.1 / Z), "D_x": (D, 0.1 / Z), "D_b": (D, 0.0)}
        return {f"{self.name}.{key}": value for key, value in found.items()}

    def trainable(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self.arrays())

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None, state: State | None = None
    ) -> tuple[np.ndarray, Any]:
        """x (batch, length, features) -> y (batch, length, hidden), h at each step.

        state: where the sequences start, (h, c, h^, c^); None: 0. Raises TypeError or ValueError
        if an array has another shape, they differ in dtype, or x has no steps.
        """
        x = float_array(x, "x of HyperLSTM", (None, None, self.features))
        if x.shape[1] == 0:
            raise ValueError(f"x of HyperLSTM must have at least 1 step, got {x.shape}")
        V = self._read(params, x.dtype)
        h, c, h_, c_ = self._state(state, "state of HyperLSTM", len(x), x.dtype)
        steps, ys = [], []
        for t in range(x.shape[1]):
            joined = np.concatenate((h, x[:, t]), axis=1)
            a = _gates(product(joined, V["small_ih"], V["small_bias"]))
            r = _gates(product(h_, V["small_hh"]))
            before_ = h_, c_
            (h_, c_), kept_ = LSTM.step(_forget(a), r, before_)
            p = {"h": product(h, V["weight_hh"]), "x": product(x[:, t], V["weight_ih"])}
            z = {key: product(h_, V[f"A_{key}"], V[f"a_{key}"]) for key in "hx"}
            z["b"] = product(h_, V["small_b"])
            s = {key: _scales(z[key], V[f"D_{key}"]) for key in "hxb"}
            y = s["h"] * p["h"] + s["x"] * p["x"] + s["b"] + V["bias"]
            before = h, c
            (h, c), kept = LSTM.step(_forget(_gates(y)), (0, 0, 0, 0), before)
            steps.append((joined, before_, kept_, h_, p, z, s, before, kept))
            ys.append(h)
        return np.stack(ys, axis=1), (x, steps, (h, c, h_, c_))

    def backward(self, params: Params, cache: Any, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy (batch, length, hidden) -> dx, of x's shape, and the gradient of each parameter."""
        dx, _, grads = self.backward_state(params, cache, dy)
        return dx, grads

    def backward_state(
        self, params: Params, cache: Any, dy: np.ndarray, dstate: State | None = None
    ) -> tuple[np.ndarray, States, Params]:
        """`backward`, from the gradient of the final state too (None: 0): dx, the gradient of the
        initial state, and that of each parameter."""
        x, steps, _ = cache
        V, H = self._read(params, x.dtype), self.hidden
        dy = float_array(dy, "dy of HyperLSTM", (*x.shape[:2], H), x.dtype)
        dh, dc, dh_, dc_ = self._state(dstate, "dstate of HyperLSTM", len(x), x.dtype)
        dx = np.empty_like(x)
        d: Params = {key: np.zeros_like(array) for key, array in V.items()}

        def through(key: str, dout: np.ndarray, seen: np.ndarray) -> np.ndarray:
            """Back through seen V^T: adds to dV, and gives the gradient of what was seen."""
            back, dV = product_backward(dout, seen, V[key])
            d[key] = core.add(d[key], dV)
            return back

        for t in reversed(range(x.shape[1])):
            joined, before_, kept_, e, p, z, s, before, kept = steps[t]
            gates, _, (_, dc) = LSTM.step_back(kept, before, (dh + dy[:, t], dc))
            dgates = np.concatenate(gates, axis=1)
            d["bias"] += core.column_sum(dgates)
            ds = {"h": dgates * p["h"], "x": dgates * p["x"], "b": dgates}
            for key in "hxb":
                dz, dD = _scales_backward(ds[key], z[key], V[f"D_{key}"])
                d[f"D_{key}"] += dD
                dh_ = dh_ + through("small_b" if key == "b" else f"A_{key}", dz, e)
                if key != "b":
                    d[f"a_{key}"] += core.column_sum(dz)
            dh = through("weight_hh", dgates * s["h"], before[0])
            dx[:, t] = through("weight_ih", dgates * s["x"], np.ascontiguousarray(x[:, t]))
            gates, _, (_, dc_) = LSTM.step_back(kept_, before_, (dh_, dc_))
            dgates = np.concatenate(gates, axis=1)
            d["small_bias"] += core.column_sum(dgates)
            dh_ = through("small_hh", dgates, before_[0])
            djoined = through("small_ih", dgates, joined)
            dh, dx[:, t] = dh + djoined[:, :H], dx[:, t] + djoined[:, H:]
        grads: Params = {}
        for field in (*MATRICES, *VECTORS):
            add(grads, source_of(getattr(self, field)).scatter_add(params, d[field]))
        grads |= {name: d[name.removeprefix(f"{self.name}.")] for name in self.arrays()}
        return dx, (dh, dc, dh_, dc_), grads

    def state(self, cache: Any) -> States:
        """The state after the forward pass that left `cache`, from which the next may start."""
        return cache[2]

    def from_arrays(self, states: States) -> States:
        """The state of these arrays, as the user has it."""
        return states

    def _state(self, state: State | None, name: str, batch: int, dtype: np.dtype) -> States:
        sizes = (self.hidden,) * 2 + (self.small,) * 2
        if state is None:
            return tuple(np.zeros((batch, size), dtype) for size in sizes)
        if not isinstance(state, tuple) or len(state) != 4:
            got = type(state).__name__
            raise TypeError(f"the {name} must be a tuple (h, c, h^, c^) of arrays, got {got}")
        pairs = zip(state, sizes, strict=True)
        return tuple(float_array(s, f"the {name}", (batch, size), dtype) for s, size in pairs)

    def _read(self, params: Params, dtype: np.dtype) -> Params:
        """Its weights by field, in full, and its arrays by their last name."""
        fields = (*MATRICES, *VECTORS)
        V = {field: source_of(getattr(self, field)).gather(params, dtype) for field in fields}
        for name, (shape, _) in self.arrays().items():
            V[name.removeprefix(f"{self.name}.")] = parameter(params, name, shape, dtype)
        return V


def _shapes(X: int, H: int, R: int, Z: int) -> tuple[tuple[int, ...], ...]:
    """Of its matrices, then of its biases."""
    matrices = (4 * H, X), (4 * H, H), (4 * R, H + X), (4 * R, R), (4 * Z, R)
    return *matrices, (4 * H,), (4 * R,)


def _gates(a: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(np.split(a, 4, axis=1))


def _forget(a: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    return a[0], a[1] + 1, a[2], a[3]


def _scales(z: np.ndarray, D: np.ndarray) -> np.ndarray:
    """D z, gate by gate: z (batch, 4 N_z), D (4, hidden, N_z) -> (batch, 4 hidden)."""
    by_gate = z.reshape(len(z), 4, -1)
    return np.einsum("bgz,gnz->bgn", by_gate, D).reshape(len(z), -1)


def _scales_backward(ds: np.ndarray, z: np.ndarray, D: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """dz = D^T ds and dD = ds z^T, gate by gate."""
    ds, by_gate = ds.reshape(len(z), 4, -1), z.reshape(len(z), 4, -1)
    dz = np.einsum("bgn,gnz->bgz", ds, D).reshape(z.shape)
    return dz, np.einsum("bgn,bgz->gnz", ds, by_gate)
