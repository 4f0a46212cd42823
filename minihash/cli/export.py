"""minihash export: a trained network for machines without Python."""

from argparse import Namespace
from pathlib import Path

from minihash.cli.commands import finish
from minihash.exports import to_c
from minihash.files.atomic import atomic_write
from minihash.runs.kinds import load_model


def export(args: Namespace) -> int:
    """minihash export"""
    text = to_c(load_model(args.model))
    path = Path(args.out or f"{Path(args.model).with_suffix('').name}.{args.to}")
    written = atomic_write(path, text.encode("ascii", "backslashreplace"))
    if not args.json:
        print(f"{path}: {written:,} bytes of C99; gcc -std=c99 -O2 -ffp-contract=off {path} -lm")
    return finish(args, {"file": str(path), "bytes": written})
