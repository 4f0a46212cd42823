"""minihash export: a trained network for machines without minihash."""

from argparse import Namespace
from pathlib import Path

from minihash.cli.commands import finish
from minihash.exports import dense, to_c, to_numpy, to_onnx
from minihash.files.atomic import atomic_write
from minihash.runs.kinds import load_model

# ending of the file, writer, what to tell of FILE
FORMS = {
    "c": (".c", to_c, "C99; gcc -std=c99 -O2 -ffp-contract=off {} -lm"),
    "numpy": (".py", to_numpy, "Python and NumPy; python {} x.npy"),
    "onnx": (".onnx", to_onnx, "ONNX; x in the units of the training data -> logits"),
}


def export(args: Namespace) -> int:
    """minihash export"""
    ending, write, told = FORMS[args.to]
    model = load_model(args.model)
    data = write(dense(model) if args.dense else model)
    path = Path(args.out or f"{Path(args.model).with_suffix('').name}{ending}")
    if isinstance(data, str):
        data = data.encode("ascii", "backslashreplace")
    written = atomic_write(path, data)
    if not args.json:
        print(f"{path}: {written:,} bytes of {told.format(path)}")
    return finish(args, {"file": str(path), "bytes": written})
