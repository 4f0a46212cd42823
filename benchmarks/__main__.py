"""All benchmarks that have targets, each in a process of its own: python -m benchmarks [--json
FOLDER]. Exit status 1 where a target is missed. What they wrote, `benchmarks.render` puts into the
README."""

import argparse
import os
import subprocess
import sys

NAMES = ("core", "layers", "language", "training", "sweeps", "memory", "startup", "cuda")

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--json", metavar="FOLDER", help="write core.json, training.json ... there")
options = parser.parse_args()
if options.json:
    os.makedirs(options.json, exist_ok=True)
status = 0
for name in NAMES:
    print(f"\n{name}", flush=True)
    path = ["--json", os.path.join(options.json, f"{name}.json")] if options.json else []
    status |= subprocess.call([sys.executable, "-m", f"benchmarks.{name}", *path])
sys.exit(status)
