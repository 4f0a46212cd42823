"""What the recurrent layers refuse, in one line, before any work."""

import numpy as np
import pytest

from minihash.hashes import Identity, Modulus
from minihash.layers import GRU, LSTM, RNN
from minihash.weights import VirtualWeight
from tests.support.recurrent_cases import every_kind, example


def weight(*shape):
    return VirtualWeight(shape, Modulus(7), "table")


SHAPES = r"must have shape \({}\).*, got \({}\); .*"
HIDDEN = "weight_hh of {} " + SHAPES


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: LSTM(weight(8, 3), weight(9, 2)),
            HIDDEN.format("LSTM", r"4 hidden, hidden", "9, 2"),
        ),
        (lambda: GRU(weight(6, 3), weight(6)), HIDDEN.format("GRU", "3 hidden, hidden", "6,")),
        (
            lambda: GRU(weight(5, 3), weight(6, 2)),
            "weight_ih of GRU " + SHAPES.format("6, features", "5, 3"),
        ),
        (
            lambda: RNN(weight(2), weight(2, 2)),
            "weight_ih of RNN " + SHAPES.format("2, features", "2,"),
        ),
        (
            lambda: RNN(weight(2, 1), weight(2, 2), weight(3)),
            "bias_ih of RNN " + SHAPES.format("2,", "3,"),
        ),
        (
            lambda: RNN(weight(2, 1), weight(2, 2), None, weight(1, 2)),
            "bias_hh of RNN " + SHAPES.format("2,", "1, 2"),
        ),
        (
            lambda: RNN(np.ones((2, 1)), weight(2, 2)),
            "weight_ih of RNN must be a VirtualWeight, got [^$]*",
        ),
        (
            lambda: LSTM(weight(8, 1), None),
            "weight_hh of LSTM must be a VirtualWeight, got None; .*",
        ),
        (
            lambda: RNN(weight(2, 1), weight(2, 2), True),
            "bias_ih of RNN must be a VirtualWeight, got True; .*",
        ),
        (lambda: GRU.plain("g", 0, 2), "features must lie in 1 .. .*, got 0; .*"),
        (lambda: GRU.plain("g", 1, 2.5), "hidden must be an integer, got 2.5; .*"),
        (lambda: GRU.plain("g", 1, 2, truncate=0), "truncate must lie in 1 .. .*, got 0; .*"),
        (
            lambda: RNN.plain("g", 1, 2, nonlinearity="elu"),
            "nonlinearity of RNN must be .*, got 'elu'; .*",
        ),
        (lambda: LSTM.numbered(1, 2, Identity(39)), "a weight of shape .* needs identifiers .*"),
    ],
)
def test_layers_that_cannot_be_are_refused_in_one_line(make, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        make()


ONE = np.ones((5, 4))
BAD_INPUTS = [
    ({"x": np.ones((5, 4, 2))}, r"x of .* must have shape \(any, any, 3\), got \(5, 4, 2\); .*"),
    ({"x": np.ones((5, 3))}, r"x of .* must have shape \(any, any, 3\), got \(5, 3\); .*"),
    ({"x": np.ones((5, 4, 3), int)}, "x of .* must be float32 or float64, got int64; .*"),
    ({"x": np.ones((5, 0, 3))}, r"x of .* must have at least 1 step, got \(5, 0, 3\); .*"),
    ({"lengths": [1, 2, 3, 4, 5]}, "lengths of .* must lie in 1 .. 4, got 1 .. 5; .*"),
    ({"lengths": [1, 2, 0, 4, 4]}, "lengths of .* must lie in 1 .. 4, got 0 .. 4; .*"),
    ({"lengths": [-1, 2, 3, 4, 4]}, "lengths of .* must lie in 1 .. 4, got -1 .. 4; .*"),
    ({"lengths": [1, 2, 3, 4]}, r"lengths of .* must have shape \(5,\), got \(4,\); .*"),
    ({"lengths": [1.0] * 5}, "lengths of .* must be integers, got float64; .*"),
    ({"lengths": 3}, r"lengths of .* must have shape \(5,\), got \(\); .*"),
]


@every_kind
@pytest.mark.parametrize(("change", "message"), BAD_INPUTS)
def test_inputs_that_do_not_fit_are_refused_in_one_line(kind, change, message):
    case = example(kind)
    good = {"x": case.x, "lengths": None}
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        case.layer.forward(case.params, **good | change)


@every_kind
def test_no_sequences_have_no_lengths(kind):
    """[], which NumPy takes for floats, is none."""
    case = example(kind)
    found = [case.layer.forward(case.params, case.x[:0], lengths=n)[0] for n in ([], None)]
    assert found[0].shape == found[1].shape == (0, 4, 4)


@every_kind
def test_states_parameters_and_gradients_that_do_not_fit_are_refused_in_one_line(kind):
    case = example(kind)
    layer, params, x = case.layer, case.params, case.x
    y, cache = layer.forward(params, x)

    def state(array):
        return (ONE, array) if layer.states > 1 else array

    for name, pass_on in (
        ("state", lambda s: layer.forward(params, x, state=s)),
        ("dstate", lambda s: layer.backward_state(params, cache, y, s)),
    ):
        with pytest.raises(ValueError, match=rf"^.*{name} of .* must have shape \(5, 4\), got .*$"):
            pass_on(state(np.ones((4, 5))))
        with pytest.raises(
            TypeError, match=rf"^.*{name} of .* must be float64 .*, got float32; .*$"
        ):
            pass_on(state(ONE.astype(np.float32)))
        if layer.states > 1:
            for wrong in (ONE, (ONE,), (ONE, ONE, ONE)):
                with pytest.raises(TypeError, match=rf"^{name} of LSTM must be a pair \(h, c\).*$"):
                    pass_on(wrong)
    for bad in (np.ones((5, 3, 4)), np.ones((5, 4, 3)), np.ones((5, 4))):
        with pytest.raises(ValueError, match=r"^dy of .* must have shape \(5, 4, 4\), got .*$"):
            layer.backward(params, cache, bad)
    with pytest.raises(TypeError, match=r"^dy of .* must be float64 .*, got float32; .*$"):
        layer.backward(params, cache, y.astype(np.float32))
    for name in params:
        with pytest.raises(ValueError, match=rf"^the parameter '{name}' must have shape .*$"):
            layer.forward(params | {name: np.ones(1)}, x)
        with pytest.raises(TypeError, match=rf"^the parameter '{name}' must be float64 .*$"):
            layer.forward(params | {name: params[name].astype(np.float32)}, x)
        missing = {other: p for other, p in params.items() if other != name}
        with pytest.raises(ValueError, match=rf"^params must hold an array '{name}', got .*$"):
            layer.forward(missing, x)
