"""Model files from anywhere: small ones that ask for endless work, values of other types, commands
to a terminal."""

import dataclasses
import signal
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from minihash.cli import main
from minihash.cli.terminal import plain
from minihash.files import checkpoint
from minihash.files.spec import TYPES, decode
from minihash.files.types import check_types, fits
from minihash.hashes import Lookup
from minihash.runs.kinds import load_model
from minihash.runs.model import FILE

MODEL = Path(__file__).parent / "checkpoints" / "mlp" / FILE
HUGE = {
    "type": "VirtualWeight",
    "shape": [2**25, 2**25],
    "hash": {"type": "Uniform", "buckets": 3},
    "table": "table",
}


@contextmanager
def promptly(seconds=20):
    """What takes longer, of the processor, fails the test."""

    def late(*_):
        raise AssertionError("it goes on and on")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@pytest.fixture
def altered(tmp_path):
    """altered(change): the path of a model file whose spec has been changed, sealed anew."""

    def make(change):
        spec, arrays = checkpoint.load(MODEL)
        change(spec["model"])
        checkpoint.save(tmp_path / FILE, spec, arrays)
        return tmp_path / FILE

    return make


def test_penalties_on_huge_weights_load_at_once_and_are_refused_before_training(altered):
    penalty = {"type": "GroupLasso", "strength": 1.0, "weight": HUGE}
    path = altered(lambda model: model["training"].update(penalties=[penalty]))
    assert path.stat().st_size < 2**20
    with promptly():
        model = load_model(path)
        (loaded,) = model.training.penalties
        assert loaded.weight.size == 2**50
        with pytest.raises(ValueError, match="may be in two groups, as it is under Uniform"):
            loaded.check({"table": np.ones(3)})
        with pytest.raises(ValueError, match="may be in two groups"):
            loaded.value({"table": np.ones(3)})


def many(count):
    return [{"type": "BatchNorm1d", "name": f"b{k}", "features": 1} for k in range(count)]


SLOW = {
    "two hundred thousand names": ({"type": "Sequential", "layers": many(50_000)}, None),
    "a hash for a layer": (
        {"type": "Sequential", "layers": [{"type": "Dirichlet", "buckets": 2**30, "alpha": 1}]},
        "layers must be",
    ),
    "an endless shape": ({**HUGE, "shape": [2**62] * 200_000}, "number of sizes of a shape"),
    "an endless example": (
        {"type": "Reshape", "shape": [2**62] * 200_000},
        "number of sizes of a shape",
    ),
}


@pytest.mark.parametrize("case", SLOW)
def test_small_specs_ask_for_little_work(case):
    spec, message = SLOW[case]
    with promptly():
        if message is None:
            assert len(decode(spec, {}).layers) == 50_000
        else:
            with pytest.raises(ValueError, match=message):
                decode(spec, {})


def lookup(buckets):
    return {"type": "Lookup", "buckets": buckets, "assignment": {"array": "spec/0"}}


def test_one_array_is_held_once_and_read_only_so_often():
    array = np.zeros(2**22, np.uint8)
    with promptly(60):
        different = decode([lookup(k) for k in (1, 2, 3)], {"spec/0": array})
        assert all(np.shares_memory(hash_.assignment, array) for hash_ in different)
        alike = decode([lookup(1) for _ in range(10_000)], {"spec/0": array})
        assert len({id(hash_) for hash_ in alike}) == 1
        with pytest.raises(ValueError, match="read the array 'spec/0' too many times"):
            decode([lookup(k) for k in range(1, 10_000)], {"spec/0": array})


def test_fields_that_are_equal_but_not_alike_are_not_taken_for_each_other():
    good = {"type": "Modulus", "buckets": 1}
    for other in (True, 1.0):
        with pytest.raises(ValueError, match="buckets must be"):
            decode([good, {"type": "Modulus", "buckets": other}], {})
    with pytest.raises(ValueError, match="assignment must be"):
        spec = {"type": "Lookup", "buckets": 1, "assignment": "spec/0"}
        decode([lookup(1), spec], {"spec/0": np.zeros(3, np.uint32)})


def test_a_lookup_of_an_array_that_can_change_keeps_its_own():
    array = np.zeros(3, np.uint8)
    hash_, view = Lookup(2, array), array.view()
    view.flags.writeable = False
    of_view = Lookup(2, view)
    array[0] = 1
    assert hash_.assignment[0] == of_view.assignment[0] == 0


# Types


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_field_of_every_class_is_held_to_its_type(name):
    cls = TYPES[name]
    for field in dataclasses.fields(cls):
        with pytest.raises(TypeError, match=f"^{field.name} must be "):
            check_types(cls, {field.name: ((None,),)})
        if field.default is not dataclasses.MISSING:
            check_types(cls, {field.name: field.default})


def test_what_fits_a_type():
    yes = [(1, float), (1, int), (True, bool), (None, int | None), ((), tuple[int, ...])]
    yes += [((1, "a"), tuple[int, str]), ((1, 2), tuple), ("a", object), (np.ones(1), np.ndarray)]
    no = [(True, int), (True, float), (1, bool), (1.0, int), ("1", float), ([1], tuple[int, ...])]
    no += [((1.5,), tuple[int, ...]), ((1,), tuple[int, str]), (None, int), (1, np.ndarray)]
    assert [fits(*pair) for pair in yes] == [True] * len(yes)
    assert [fits(*pair) for pair in no] == [False] * len(no)


WRONG = {
    "mean": lambda model: model["standardiser"].update(mean=0.5),
    "std": lambda model: model["standardiser"].update(std=["1"]),
    "peak": lambda model: model["standardiser"].update(peak=[255]),
    "optimiser": lambda model: model["training"].update(optimiser=3),
    "schedule": lambda model: model["training"].update(schedule=model["training"]["optimiser"]),
    "epochs": lambda model: model.update(epochs="3"),
    "dataset": lambda model: model.update(dataset=["mnist"]),
    "shape": lambda model: model.update(shape=[28.0, 28.0]),
    "class_names": lambda model: model.update(class_names="0123456789"),
    "network": lambda model: model.update(network=model["standardiser"]),
}


@pytest.mark.parametrize("field", WRONG)
def test_a_value_of_another_type_is_refused_as_the_file_is_read(altered, field):
    path = altered(WRONG[field])
    with pytest.raises(ValueError, match=rf"cannot load model .*{field} must be ") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


def test_an_example_of_endless_axes_is_refused(altered):
    with promptly(), pytest.raises(ValueError, match="does not fit its examples"):
        load_model(altered(lambda model: model.update(shape=[2**62] * 200_000)))


# What is printed


def test_strings_of_a_file_are_no_commands_to_a_terminal(altered, capsys):
    evil = "\x1b]0;title\x07\x1b[2J\nall is well\u202e\x9b1m"

    def change(model):
        model["dataset"] = evil
        model["class_names"] = [evil] * 10

    path = altered(change)
    rows = np.zeros((2, 784), np.uint8)
    np.save(path.parent / "rows.npy", rows)
    np.save(path.parent / "row.npy", rows[0])
    commands = (["inspect"], ["predict", "rows.npy"], ["predict", "row.npy"])
    for name, *inputs in commands:
        arguments = [name, str(path), *(str(path.parent / file) for file in inputs)]
        assert main([*arguments]) == 0
        shown = capsys.readouterr().out
        assert r"\x1b]0;title\x07\x1b[2J\nall is well\u202e\x9b1m" in shown
        assert plain(shown, ("\n",)) == shown
        assert not any(line.startswith("all is well") for line in shown.splitlines())
        assert main([*arguments, "--json"]) == 0
        assert plain(capsys.readouterr().out, ("\n",)).count("\\x1b") == 0


def test_a_generated_text_keeps_its_lines():
    assert plain("a\r\nb\tc\rd", ("\n", "\r\n", "\t")) == "a\r\nb\tc\\rd"
