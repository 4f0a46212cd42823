"""minihash export: a trained network for machines without Python, or its weights for PyTorch."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from minihash.cli.commands import finish
from minihash.exports import to_c, to_state
from minihash.files.atomic import atomic_write
from minihash.files.state import state_bytes
from minihash.runs.folder import config_of
from minihash.runs.kinds import load_model
from minihash.runs.model import Model


def _c(model: Model, args: Namespace) -> bytes:
    return to_c(model).encode("ascii", "backslashreplace")


def _state(model: Model, args: Namespace) -> bytes:
    """In full, by the names that a run brought in had, or those of a torch.nn.Sequential."""
    config = config_of(Path(args.model))
    names = config.names if config else None
    return state_bytes(to_state(model.network, model.params, names), args.to)


ARRAYS = "arrays in full, as a state_dict of torch.nn has them"
# The form -> (how it is made, what it is, with the path in braces)
FORMS: dict[str, tuple[Callable[[Model, Namespace], bytes], str]] = {
    "c": (_c, "C99; gcc -std=c99 -O2 -ffp-contract=off {} -lm"),
    "safetensors": (_state, ARRAYS),
    "npz": (_state, ARRAYS),
}


def export(args: Namespace) -> int:
    """minihash export"""
    make, what = FORMS[args.to]
    data = make(load_model(args.model), args)
    path = Path(args.out or f"{Path(args.model).with_suffix('').name}.{args.to}")
    written = atomic_write(path, data)
    if not args.json:
        print(f"{path}: {written:,} bytes of {what.format(path)}")
    return finish(args, {"file": str(path), "bytes": written})
