"""Character language models: held to PyTorch, to one pass over the text, and to counted draws."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from minihash.hashes import HashedNets
from minihash.layers import Dense
from minihash.networks.language_model import LanguageModel, language_model
from minihash.training import Training, start
from minihash.training.language import bits_per_character, generate, steps
from minihash.training.optimisers import Adam, Clipped
from minihash.weights import VirtualWeight

RNG = np.random.default_rng(0)
TORCH = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


@pytest.mark.parametrize("cell", TORCH)
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
def test_loss_gradients_and_states_are_torchs(cell, tied, layers):
    choices = {"hash": "uniform", "compression": 0.3, "signed": True, "layers": layers}
    model = language_model(5, 4, cell, tied, **choices)
    params = model.network.init(seed=3, dtype=np.float64)
    tokens, targets = RNG.integers(5, size=(2, 3, 6))
    loss, grads, states = model.gradients(params, tokens, targets)
    twins = {name: torch.tensor(a, requires_grad=True) for name, a in params.items()}

    def weight(w):
        ids = w.identifiers()
        return twins[w.table][torch.as_tensor(w.hash.bucket(ids))] * torch.as_tensor(
            w.hash.sign(ids)
        )

    read = {
        f"{name}_l{k}": weight(getattr(layer, name))
        for k, layer in enumerate(model.recurrent)
        for name in vars(layer)
        if name[:5] in ("weigh", "bias_")
    }
    x = F.embedding(torch.tensor(tokens), weight(model.embedding.weight))
    net = TORCH[cell](4, 4, layers, batch_first=True).double()
    h, last = torch.func.functional_call(net, read, (x,))
    logits = F.linear(h, weight(model.output.weight), weight(model.output.bias))
    expected = F.cross_entropy(logits.reshape(-1, 5), torch.tensor(targets).reshape(-1))
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    assert grads.keys() == twins.keys() and ("output" in grads) != tied
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, twins[name].grad, rtol=0, atol=1e-12, err_msg=name)
    ours = [state if cell == "lstm" else (state,) for state in states]  # (layers, states)
    last = last if cell == "lstm" else (last,)  # (states, layers)
    for found, theirs in zip(zip(*ours, strict=True), last, strict=True):
        np.testing.assert_allclose(np.stack(found), theirs.detach(), rtol=0, atol=1e-12)


def test_bits_are_those_of_one_pass_whatever_is_read_at_once():
    model = language_model(5, 4, "gru")
    params = model.network.init(seed=1, dtype=np.float64)
    tokens = RNG.integers(5, size=40)
    logits, _, _ = model.forward(params, tokens[None, :-1])
    p = np.exp(logits[0]) / np.exp(logits[0]).sum(axis=1, keepdims=True)
    expected = -np.log2(p[np.arange(39), tokens[1:]]).mean()
    for length in (1, 7, 39, 100):
        assert bits_per_character(model, params, tokens, length) == pytest.approx(expected)


def plan(epochs, batch, rate=0.03, seed=0):
    return Training(epochs, batch, rate, Clipped(Adam(), 1.0), seed=seed)


def test_training_learns_a_text_that_needs_the_state():
    """a a b a a b ...: what follows an a is known from the one before alone."""
    tokens, training = np.tile([0, 0, 1], 400), plan(8, 8)
    model = language_model(2, 8, "lstm", hash="uniform", compression=0.25)
    first = start(model.network, training)
    trained = list(steps(model, training, first, tokens, 10))
    assert len(trained) == 8 * math.ceil(1199 // 8 / 10)
    (last, report), params = trained[-1], trained[-1][0].params
    assert (last.epoch, last.batch, last.carried) == (8, 0, {}) and report["loss"] < 0.1
    # Without the state, what follows an a is a coin: 2/3 bit a character.
    assert bits_per_character(model, first.params, tokens) > 0.9
    assert bits_per_character(model, params, tokens) < 0.1
    found = generate(model, params, np.array([0, 0]), 9, temperature=0)
    assert found.tolist() == [1, 0, 0] * 3


@pytest.mark.parametrize("cell", TORCH)
@pytest.mark.parametrize("layers", [1, 2])
def test_a_run_goes_on_from_any_of_its_states_with_the_same_bits(cell, layers):
    tokens, training = RNG.integers(3, size=50), plan(2, 3)
    model = language_model(3, 4, cell, embedding=2, truncate=3, layers=layers)
    whole = list(steps(model, training, start(model.network, training), tokens, 5))
    assert len(whole) == 2 * 4
    for k in range(len(whole) - 1):
        (begun, _), (end, report) = whole[k], whole[-1]
        *_, (again, last) = steps(model, training, begun, tokens, 5)
        assert last == report
        assert all(again.params[name].tobytes() == a.tobytes() for name, a in end.params.items())
    names = ["h", "c", "h2", "c2"] if cell == "lstm" else ["h", "h2"]
    assert list(whole[0][0].carried) == names[: len(names) // 2 * layers]


def test_the_state_goes_on_from_step_to_step_but_not_from_epoch_to_epoch(monkeypatch):
    model, training, seen = language_model(3, 2, "rnn"), plan(2, 2), []

    def gradients(self, params, tokens, targets, state=None):
        seen.append((tokens, targets, state))
        return original(self, params, tokens, targets, state)

    original = LanguageModel.gradients
    monkeypatch.setattr(LanguageModel, "gradients", gradients)
    tokens = RNG.integers(3, size=23)
    trained = list(steps(model, training, start(model.network, training), tokens, 4))
    assert [state is None for *_, state in seen] == [True, False, False] * 2
    assert [report["batches"] for _, report in trained] == [3] * 6
    inputs = np.concatenate([tokens for tokens, *_ in seen[:3]], axis=1)
    targets = np.concatenate([targets for _, targets, _ in seen[:3]], axis=1)
    assert inputs.ravel().tolist() == tokens[:22].tolist()
    assert targets.ravel().tolist() == tokens[1:23].tolist()


def test_a_reported_loss_is_the_mean_over_the_characters_of_the_epoch_so_far():
    """Windows of 4, 4 and 3 characters: a mean of means would be another number."""
    tokens, training = RNG.integers(3, size=23), plan(1, 2)
    model, total, read = language_model(3, 2, "gru"), 0.0, 0
    first = start(model.network, training, np.float64)
    inputs, targets = (tokens[k : k + 22].reshape(2, 11) for k in (0, 1))
    before, carried = first.params, None
    for k, (state, report) in enumerate(steps(model, training, first, tokens, 4)):
        part = slice(4 * k, 4 * k + 4)
        loss, _, carried = model.gradients(before, inputs[:, part], targets[:, part], carried)
        read += inputs[:, part].size
        total, before = total + loss * inputs[:, part].size, state.params
        assert report["loss"] == pytest.approx(total / read, rel=1e-12)
    assert read == 22


def test_two_matrices_of_one_table_are_numbered_one_after_the_other():
    layer = language_model(3, 4, "gru", hash="uniform", compression=0.5, embedding=2).recurrent[0]
    assert layer.weight_ih.table == layer.weight_hh.table == "gru"
    assert layer.weight_ih.hash == layer.weight_hh.hash and layer.weight_hh.hash.buckets == 36
    assert (layer.weight_ih.first_id, layer.weight_hh.first_id) == (0, 12 * 2)


def test_matrices_of_all_layers_are_numbered_one_after_the_other():
    model = language_model(3, 4, hash="uniform", compression=0.25, embedding=2, layers=3)
    matrices = [w for layer in model.recurrent for w in layer.weights()[:2]]
    sizes = [16 * 2] + 5 * [16 * 4]
    assert [w.size for w in matrices] == sizes
    assert [w.first_id for w in matrices] == [sum(sizes[:k]) for k in range(6)]
    assert {(w.table, w.hash.buckets) for w in matrices} == {("lstm", sum(sizes) // 4)}
    biases = [w.table for layer in model.recurrent for w in layer.weights()[2:]]
    assert biases == [f"lstm{k}.bias_{part}" for k in ("", 2, 3) for part in ("ih", "hh")]
    apart = language_model(3, 4, scope="layer", hash="uniform", compression=0.25, layers=2)
    matrices = [w for layer in apart.recurrent for w in layer.weights()[:2]]
    assert len({w.hash.seed for w in matrices}) == len({w.table for w in matrices}) == 4


def test_each_matrix_may_have_a_table_of_its_own():
    model = language_model(3, 4, "gru", scope="layer", hash="hashednets", compression=0.5, seed=1)
    (layer,) = model.recurrent
    assert layer.weight_ih.hash == HashedNets(24, 4, 12) and layer.weight_ih.first_id == 0
    assert {w.table for w in layer.weights()[:2]} == {"gru.weight_ih", "gru.weight_hh"}
    (uniform,) = language_model(3, 4, scope="layer", hash="uniform", compression=0.5).recurrent
    assert uniform.weight_ih.hash.seed != uniform.weight_hh.hash.seed


def test_generated_characters_are_drawn_from_the_models_probabilities():
    """With all but the output's bias 0, characters are independent, of known probabilities."""
    model = language_model(3, 2, "rnn")
    params = {name: np.zeros_like(a) for name, a in model.network.init(dtype=np.float64).items()}
    p = np.array([0.5, 0.3, 0.2])
    params["output.bias"] = np.log(p)
    for temperature in (1.0, 2.0):
        q = p ** (1 / temperature) / (p ** (1 / temperature)).sum()
        n = 2000
        drawn = generate(model, params, np.array([0]), n, temperature, seed=7)
        counts = np.bincount(drawn, minlength=3)
        assert (np.abs(counts - n * q) < 5 * np.sqrt(n * q * (1 - q))).all()
    assert generate(model, params, np.array([2]), 5, temperature=0).tolist() == [0] * 5
    assert not np.array_equal(drawn, generate(model, params, np.array([0]), n, 2.0, seed=8))
    assert np.array_equal(drawn[:50], generate(model, params, np.array([0]), 50, 2.0, seed=7))


def test_bad_input_is_refused():
    model = language_model(3, 2, "rnn")
    params = model.network.init()
    text = np.array([0, 1, 2])
    E, (cell,), D = model.embedding, model.recurrent, model.output
    odd = language_model(3, 2, "rnn", embedding=3).recurrent[0]

    def train(tokens, batch, length=1):
        training = plan(1, batch)
        return next(steps(model, training, start(model.network, training), tokens, length))

    for call, expected in (
        (lambda: language_model(3, 2, "elman"), "cell must be one of rnn, gru, lstm, got 'elman'"),
        (lambda: language_model(0, 2), "vocabulary must"),
        (lambda: language_model(3, 2, hash="frob"), "hash must be one of"),
        (lambda: language_model(3, 2, scope="net"), "scope must be"),
        (lambda: language_model(3, 2, layers=0), r"layers must lie in 1 \.\. 1000, got 0"),
        (lambda: LanguageModel(E, (), D), r"\(3, 2\) needs recurrent layers, .* got none, and"),
        (lambda: LanguageModel(E, (cell, odd), D), r"got 2 to 2, 3 to 2, and \(3, 2\); correct"),
        (lambda: model.forward(params, text[None], ()), "a tuple of 1, one for each recurrent"),
        (
            lambda: model.from_arrays({"h": text, "h2": text}),
            "state of RNN must hold h, got h, h2",
        ),
        (
            lambda: language_model(3, 2, tied=True, embedding=3),
            "an embedding of 3 and a state of 2",
        ),
        (lambda: train(text + 1, 1), r"tokens must lie in 0 \.\. 2"),
        (lambda: train(text, 3), "need 4 characters to train, got 3"),
        (lambda: train(text, 1, 3), "at least length 3 need 4 characters to train, got 3"),
        (
            lambda: bits_per_character(model, params, text[:1]),
            r"tokens must have shape \(n,\), n >= 2, got \(1,\)",
        ),
        (lambda: generate(model, params, text[:0], 3), "at least one character"),
        (lambda: generate(model, params, text, 3, -1.0), "temperature must be at least 0"),
        (lambda: generate(model, params, text, 3, math.nan), "got nan"),
    ):
        with pytest.raises(ValueError, match=expected):
            call()
    with pytest.raises(TypeError, match="between embedding and output must be recurrent, got D"):
        LanguageModel(E, (cell, D), D)
    wrong = VirtualWeight((4, 2), model.output.weight.hash.__class__(8), "wrong")
    with pytest.raises(ValueError, match=r"an embedding \(3, 2\) needs"):
        LanguageModel(model.embedding, model.recurrent, Dense(wrong))
