"""All benchmarks that have targets, one after another: python -m benchmarks [--json FOLDER]. Exit
status 1 where a target is missed. What they wrote, `benchmarks.render` puts into the README."""

import argparse
import os
import sys

from benchmarks import core, cuda, layers, memory, startup, training

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--json", metavar="FOLDER", help="write core.json, training.json ... there")
options = parser.parse_args()
if options.json:
    os.makedirs(options.json, exist_ok=True)
status = 0
for module in (core, layers, training, memory, startup, cuda):
    name = module.__name__.split(".")[1]
    print(f"\n{name}: {module.__doc__.splitlines()[0]}", flush=True)
    path = ["--json", os.path.join(options.json, f"{name}.json")] if options.json else []
    status |= module.main(path)
sys.exit(status)
