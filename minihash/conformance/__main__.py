"""minihash as a program of program.py: `minihash conform -- python -m minihash.conformance`."""

import json
import sys

from minihash import __version__
from minihash.conformance.engine import OPS, answer

for line in sys.stdin:
    request = json.loads(line)
    hello = {"name": f"minihash {__version__}", "claims": sorted(OPS)}
    print(json.dumps(hello if request["op"] == "hello" else answer(request)), flush=True)
