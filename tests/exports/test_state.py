"""Weights of PyTorch in and out: the same outputs, gradients aside, and refusals in one line."""

import dataclasses

import numpy as np
import pytest

from minihash import VirtualWeight, arbnet, core
from minihash.exports import from_state, read_state, to_state
from minihash.files.state import state_bytes
from minihash.hashes import Identity, Uniform
from minihash.layers import Conv2d, Dense, Flatten, MaxPool2d, ReLU
from minihash.networks.language_model import language_model
from minihash.networks.sequential import Sequential
from reference.core import nearest
from reference.hashes import from_spec

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def on_numpy():
    with core.use("numpy"):
        yield


def free(shape, name):
    return VirtualWeight(shape, Identity(int(np.prod(shape))), name)


def lenet():
    layers = []
    for name, shape in {"c1": (6, 1, 5, 5), "c2": (16, 6, 5, 5)}.items():
        layers += [Conv2d(free(shape, name), free(shape[:1], f"{name}.b")), ReLU(), MaxPool2d(2)]
    layers.append(Flatten())
    for name, shape in {"d1": (120, 256), "d2": (84, 120), "d3": (10, 84)}.items():
        layers += [Dense(free(shape, name), free(shape[:1], f"{name}.b")), ReLU()]
    return Sequential(tuple(layers[:-1]))


class LeNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = torch.nn.Conv2d(1, 6, 5), torch.nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2 = torch.nn.Linear(256, 120), torch.nn.Linear(120, 84)
        self.fc10 = torch.nn.Linear(84, 10)

    def forward(self, x):
        pool = torch.nn.functional.max_pool2d
        x = pool(self.conv1(x).relu(), 2)
        x = pool(self.conv2(x).relu(), 2).flatten(1)
        return self.fc10(self.fc2(self.fc1(x).relu()).relu())


def arrays(module):
    return {name: value.numpy() for name, value in module.state_dict().items()}


def test_a_lenet_comes_in_answers_and_goes_back(tmp_path):
    torch.manual_seed(0)
    theirs, ours = LeNet(), lenet()
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file(theirs.state_dict(), tmp_path / "net.safetensors")
    np.savez(tmp_path / "net.npz", **arrays(theirs))
    x = np.random.default_rng(0).normal(size=(5, 1, 28, 28)).astype(np.float32)
    right = theirs(torch.from_numpy(x)).detach().numpy()
    for file in ("net.safetensors", "net.npz"):
        params = from_state(ours, read_state(tmp_path / file))
        y, _ = ours.forward(params, x)
        np.testing.assert_allclose(y, right, atol=2e-5)
    again = to_state(ours, params, ["conv1", "conv2", "fc1", "fc2", "fc10"])
    assert again.keys() == arrays(theirs).keys()
    for name, array in arrays(theirs).items():
        np.testing.assert_array_equal(again[name], array)
        assert not np.shares_memory(again[name], params[next(iter(params))])
    LeNet().load_state_dict({name: torch.from_numpy(a) for name, a in again.items()})


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_language_model_of_two_layers_comes_in(cell):
    torch.manual_seed(1)
    module = torch.nn.ModuleDict(
        {
            "embed": torch.nn.Embedding(11, 8),
            "core": {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell](
                8, 8, 2, batch_first=True
            ),
            "out": torch.nn.Linear(8, 11),
        }
    )
    model = language_model(11, 8, cell, layers=2)
    params = from_state(model.network, arrays(module))
    tokens = np.random.default_rng(2).integers(0, 11, (3, 7))
    logits, _, _ = model.forward(params, tokens)
    right = module["out"](module["core"](module["embed"](torch.from_numpy(tokens)))[0])
    np.testing.assert_allclose(logits, right.detach().numpy(), atol=2e-6)
    back = to_state(model.network, params, ["embed", "core.0", "core.1", "out"])
    assert {n: a.tolist() for n, a in back.items()} == {
        n: a.tolist() for n, a in arrays(module).items()
    }


def test_batch_norms_come_in_with_their_statistics():
    torch.manual_seed(2)
    theirs = torch.nn.Sequential(
        *(torch.nn.Linear(6, 5), torch.nn.ELU(), torch.nn.BatchNorm1d(5)),
        *(torch.nn.Linear(5, 3), torch.nn.ELU(), torch.nn.BatchNorm1d(3)),
    )
    x = torch.randn(40, 6)
    theirs(x)  # which moves the running statistics
    ours = arbnet((6, 5, 3), hash="identity")
    params = from_state(ours, arrays(theirs))
    right = theirs.eval()(x).detach().numpy()
    np.testing.assert_allclose(ours.forward(params, x.numpy())[0], right, atol=2e-6)
    assert {n: a.shape for n, a in to_state(ours, params).items()} == {
        n: a.shape for n, a in arrays(theirs).items() if "num_batches" not in n
    }


def test_what_comes_in_and_what_goes_out_are_copies():
    ours = arbnet((6, 3), hash="identity")
    state = {name: a.astype(np.float32) for name, a in to_state(ours, ours.init()).items()}
    params = from_state(ours, state)
    back = to_state(ours, params)
    for one in (*state.values(), *back.values()):
        assert not any(np.shares_memory(one, other) for other in params.values())


def test_under_a_hash_the_table_is_the_nearest_one():
    rng = np.random.default_rng(3)
    ours = arbnet((6, 5, 3), hash="uniform", compression=0.3, signed=True, norm="none", seed=4)
    state = {"0.weight": rng.normal(size=(5, 6)), "0.bias": rng.normal(size=5)}
    state |= {"1.weight": rng.normal(size=(3, 5)), "1.bias": rng.normal(size=3)}
    params = from_state(ours, state, dtype=np.float64)
    ids = np.arange(45)
    rule = ours.weights()[0].hash
    A = np.zeros((45, rule.buckets))
    A[ids, rule.bucket(ids)] = rule.sign(ids)
    dense = np.concatenate([state["0.weight"].ravel(), state["1.weight"].ravel()])
    best = np.linalg.lstsq(A, dense, rcond=None)[0]
    np.testing.assert_allclose(params["table"], best, atol=1e-12)
    loop = nearest(dense, from_spec({"type": "Uniform"} | dataclasses.asdict(rule)), rule.buckets)
    np.testing.assert_allclose(params["table"], loop, rtol=1e-14)
    assert ours.weights()[0].hash == Uniform(rule.buckets, rule.seed, True)


def test_all_that_does_not_fit_is_said_at_once(tmp_path):
    ours = arbnet((3, 2), hash="identity", norm="none")
    state = {"fc.weight": np.ones((3, 2)), "extra.scale": np.ones(4)}
    with pytest.raises(ValueError) as caught:
        from_state(ours, state)
    text = str(caught.value)
    assert "fc.weight has shape (3, 2), expected (2, 3)" in text
    assert "fc.bias is missing" in text and "extra.scale is left over" in text
    with pytest.raises(ValueError, match="names must be 1"):
        from_state(ours, state, names=["a", "b"])
    for content in (
        b"",
        b"\x05",
        (99).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
    ):
        (tmp_path / "bad.safetensors").write_bytes(content)
        with pytest.raises(ValueError, match="no safetensors file"):
            read_state(tmp_path / "bad.safetensors")
    (tmp_path / "bad.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"no \.npz file"):
        read_state(tmp_path / "bad.npz")


def test_an_embedding_is_told_from_a_matrix_by_its_bias_or_by_name():
    model = language_model(7, 5, "gru")
    rng = np.random.default_rng(4)
    state = {"decoder.weight": rng.normal(size=(7, 5)), "decoder.bias": rng.normal(size=7)}
    state |= {"encoder.weight": rng.normal(size=(7, 5))}
    shapes = {"weight_ih_l0": (15, 5), "weight_hh_l0": (15, 5), "bias_ih_l0": 15, "bias_hh_l0": 15}
    state |= {f"rnn.{name}": rng.normal(size=shape) for name, shape in shapes.items()}
    params = from_state(model.network, state, dtype=np.float64)
    assert params["embedding"].tolist() == state["encoder.weight"].ravel().tolist()
    assert params["output"].tolist() == state["decoder.weight"].ravel().tolist()
    del state["decoder.bias"]
    embedding, cell, output = model.network.layers
    bare = Sequential((embedding, cell, Dense(output.weight)))
    with pytest.raises(ValueError, match="look alike: say which module is which, by 3 names"):
        from_state(bare, state)
    params = from_state(bare, state, ["encoder", "rnn.0", "decoder"], np.float64)
    assert params["output"].tolist() == state["decoder.weight"].ravel().tolist()


def test_files_that_are_damaged_anywhere_are_refused_or_read_whole(tmp_path):
    state = {"fc.weight": np.ones((3, 2), np.float32), "fc.bias": np.arange(3, dtype=np.float64)}
    rng = np.random.default_rng(6)
    for form in ("npz", "safetensors"):
        whole, path = state_bytes(state, form), tmp_path / f"net.{form}"
        for k in range(60):
            data = bytearray(whole if k % 3 else whole[: rng.integers(len(whole))])
            for place in rng.integers(0, len(data), k % 3) if data else ():
                data[place] = rng.integers(256)
            path.write_bytes(data)
            try:
                found = read_state(path)
            except ValueError as error:
                assert str(path) in str(error) and "\n" not in str(error)
            else:
                assert all(isinstance(array, np.ndarray) for array in found.values())
