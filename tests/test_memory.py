"""Index-free: a network of 22 million virtual weights runs in the memory of its table.

The CIFAR-10 net of the ArbNet paper, 3072, five of 2000, 10, at a compression of 0.01. Measured in
a process of its own: kernels are compiled and parameters made first, then a fork, whose peak of
resident memory the kernel counts from its start, runs forward and backward.
"""

import json
import subprocess
import sys
from itertools import pairwise

import pytest

SIZES = [3072, 2000, 2000, 2000, 2000, 2000, 10]
VIRTUAL = sum(a * b for a, b in pairwise(SIZES))
MIB = 2**20

SCRIPT = """
import json, os, resource, sys
import numpy as np
from minihash.core import matmul, matmul_backward, set_threads, use
from minihash.hashes import *
from minihash.weights import VirtualWeight

sizes, backend, kind, batch = json.loads(sys.argv[1])
set_threads(2)
virtual = sum(a * b for a, b in zip(sizes, sizes[1:]))
n = virtual // 100
hash_ = {"uniform": Uniform(n, 1, True), "dirichlet": Dirichlet(n, 10.0, 1), "modulus": Modulus(n),
         "neighborhood": Neighborhood(n, 50, 1)}[kind]
table = np.random.default_rng(0).standard_normal(n).astype(np.float32)
x = np.random.default_rng(1).standard_normal((batch, sizes[0])).astype(np.float32)

def network(sizes, x, first_id=0):
    weights = []
    for fan_in, fan_out in zip(sizes, sizes[1:]):
        weights.append(VirtualWeight((fan_out, fan_in), hash_, first_id=first_id))
        first_id += weights[-1].size
    activations = [x]
    for w in weights:
        activations.append(np.tanh(matmul(activations[-1], table, w)))
    gradient, dy = np.zeros_like(table), activations[-1]
    for w, x in zip(weights[::-1], activations[-2::-1]):
        dy, dtable = matmul_backward(dy, x, table, w)
        gradient += dtable
        dy *= 1 - x * x
    return gradient

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # bytes, on Linux

with use(backend):
    network([20, 30, 10], x[:, :20], first_id=n - 7)  # compiles, also what wraps round the table
    child = os.fork()
    if child == 0:
        before = peak()
        gradient = network(sizes, x)
        assert np.isfinite(gradient).all() and (gradient != 0).mean() > 0.9
        print(json.dumps({"extra": peak() - before, "virtual": virtual, "table": table.nbytes,
                          "hash": hash_.nbytes}), flush=True)
        os._exit(0)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="counts resident memory as Linux does")


def measure(backend: str, kind: str, batch: int = 8) -> dict:
    arguments = json.dumps([SIZES, backend, kind, batch])
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, arguments],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@linux
@pytest.mark.parametrize("kind", ["uniform", "dirichlet", "modulus"])
def test_a_network_runs_in_the_memory_of_its_table(kind):
    """The bound is below V of one hidden layer in float32 (15.3 MiB), let alone of the network
    (84.6 MiB), or an index of it at 8 bytes (169 MiB)."""
    found = measure("numba", kind)
    assert found["virtual"] == VIRTUAL == 22_164_000
    assert found["table"] < MIB
    assert found["hash"] in (0, 2 * found["table"])
    assert found["extra"] < 14 * MIB < 4 * 2000 * 2000


@linux
def test_the_measure_sees_a_virtual_weight_that_is_built():
    """The normative backend builds V and its index, a layer at a time: the measure must show it."""
    assert measure("numpy", "modulus")["extra"] > 4 * 3072 * 2000 + 8 * 3072 * 2000
