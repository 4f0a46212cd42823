"""compress --method soft: killed after any epoch and resumed, the same model, bit for bit."""

import numpy as np
import pytest

from minihash.cli import gathered
from minihash.runs import compress as compression
from minihash.runs import folder as disk
from minihash.runs import train
from minihash.runs.config import Config
from minihash.runs.kinds import load_model
from minihash.runs.model import FILE
from minihash.runs.progress import Progress

OPTIONS = {"epochs": "2", "retrain": "2", "tau": "0.5", "zero": "0.5", "rate": "0.02"}
GATHERED = "ignore:the weights have not gathered"


class Killed(Exception):
    pass


class Kill(Progress):
    """Ends the process, as it were, once so many epochs are saved."""

    def __init__(self, epochs):
        self.epochs = epochs

    def step(self, run, report):
        if run.state.batch == 0 and run.state.epoch == self.epochs:
            raise Killed


@pytest.mark.filterwarnings(GATHERED)
def test_killed_and_resumed_it_ends_with_the_same_bits(here):
    source = here / "dense"
    choices = {"hidden": (8,), "hash": "identity", "epochs": 1, "norm": "none", "lr": 0.01}
    train.begin(Config(dataset="digits", **choices), source)
    whole = compression.compress(source, "soft", OPTIONS, here / "whole")
    assert [stage["epochs"] for stage in whole["stages"]] == [2, 4]
    assert whole["rate"] > 1
    for epochs in (1, 2, 3):
        folder = here / f"killed{epochs}"
        with pytest.raises(Killed):
            compression.compress(source, "soft", OPTIONS, folder, progress=Kill(epochs))
        run, model = disk.load(folder), load_model(folder)
        owned = [name for name in run.state.params if "mixture" in name]
        assert len(owned) == (3 if epochs <= 2 else 0)
        assert model.params.keys() == run.state.params.keys() - set(owned)  # a model is a network
        compression.resume(folder)
        assert (folder / FILE).read_bytes() == (here / "whole" / FILE).read_bytes()
    told = whole["stages"][-1]
    mixture, histogram = told["mixture"], told["histogram"]
    assert told["distortion"] > 0 and abs(sum(mixture["pi"]) - 1) < 1e-9
    assert mixture["mean"][0] == 0 and len(mixture["mean"]) == len(mixture["deviation"]) == 17
    assert [sum(counts) for counts in histogram["counts"].values()] == [8 * 784, 80]
    model = load_model(here / "whole")
    assert model.training.penalties == ()
    for w in model.network.weights():
        if len(w.shape) > 1:
            assert type(w.hash).__name__ == "Lookup" and w.hash.buckets <= 16
            assert np.isfinite(model.params[w.table]).all()
    pytest.importorskip("matplotlib")
    again = compression.resume(here / "whole")["stages"][-1]  # as a file has it, keys sorted
    for name, source_of in (("new.svg", told), ("file.svg", again)):
        gathered.draw(here / name, source_of["mixture"], source_of["histogram"])
    assert (here / "new.svg").read_bytes() == (here / "file.svg").read_bytes()


def test_a_state_whose_mixture_is_damaged_is_refused(here):
    source = here / "dense"
    train.begin(Config(dataset="digits", hidden=(8,), hash="identity", epochs=1), source)
    with pytest.raises(Killed):
        compression.compress(source, "soft", OPTIONS, here / "killed", progress=Kill(1))
    run = disk.load(here / "killed")
    (name,) = [name for name in run.state.params if name.endswith("mixture.rho")]
    for wrong in (run.state.params | {name: np.zeros(3, np.float32)}, dict(run.state.params)):
        if wrong[name].size != 3:
            del wrong[name]
        state = disk.replace(run.state, params=wrong)
        disk.save(here / "killed", disk.replace(run, state=state))
        with pytest.raises((ValueError, KeyError), match=r"cannot resume from .*rho"):
            disk.load(here / "killed")
