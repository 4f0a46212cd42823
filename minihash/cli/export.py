"""minihash export: a trained network for machines without minihash, or its weights for PyTorch."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from minihash.cli.commands import finish
from minihash.exports import dense, to_c, to_numpy, to_onnx, to_state
from minihash.files.atomic import atomic_write
from minihash.files.state import state_bytes
from minihash.runs.folder import config_of
from minihash.runs.kinds import load_model
from minihash.runs.model import Model


def _written(write: Callable[[Model], str | bytes]) -> Callable[[Model, Namespace], bytes]:
    def make(model: Model, args: Namespace) -> bytes:
        data = write(dense(model) if args.dense else model)
        return data if isinstance(data, bytes) else data.encode("ascii", "backslashreplace")

    return make


def _state(model: Model, args: Namespace) -> bytes:
    """In full, by the names that a run brought in had, or those of a torch.nn.Sequential."""
    config = config_of(Path(args.model))
    names = config.names if config else None
    return state_bytes(to_state(model.network, model.params, names), args.to)


ARRAYS = "arrays in full, as a state_dict of torch.nn has them"
# The form -> ending of the file, how it is made, what it is, with the path in braces.
FORMS: dict[str, tuple[str, Callable[[Model, Namespace], bytes], str]] = {
    "c": (".c", _written(to_c), "C99; gcc -std=c99 -O2 -ffp-contract=off {} -lm"),
    "numpy": (".py", _written(to_numpy), "Python and NumPy; python {} x.npy"),
    "onnx": (".onnx", _written(to_onnx), "ONNX; x in the units of the training data -> logits"),
    "safetensors": (".safetensors", _state, ARRAYS),
    "npz": (".npz", _state, ARRAYS),
}


def export(args: Namespace) -> int:
    """minihash export"""
    ending, make, told = FORMS[args.to]
    data = make(load_model(args.model), args)
    path = Path(args.out or f"{Path(args.model).with_suffix('').name}{ending}")
    written = atomic_write(path, data)
    if not args.json:
        print(f"{path}: {written:,} bytes of {told.format(path)}")
    return finish(args, {"file": str(path), "bytes": written})
