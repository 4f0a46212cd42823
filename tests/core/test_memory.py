"""Index-free: a network of 22 million virtual weights runs in the memory of its table.

The CIFAR-10 net of the ArbNet paper, 3072, five of 2000, 10, at a compression of 0.01. Measured in
a process of its own: kernels are compiled and parameters made first, then a fork, whose peak of
resident memory the kernel counts from its start, runs forward and backward in training.
"""

import json
import subprocess
import sys
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from minihash.core import matmul, matmul_backward
from minihash.core.numba import blas, kernels, products
from minihash.hashes import Uniform
from minihash.weights import VirtualWeight
from tests.support import core_cases as cc

SIZES = [3072, 2000, 2000, 2000, 2000, 2000, 10]
VIRTUAL = sum(a * b for a, b in pairwise(SIZES))
MIB = 2**20

SCRIPT = """
import json, os, resource, sys
import numpy as np
from minihash.networks.arbnet import arbnet
from minihash.core import run, set_threads, use

sizes, backend, kind, options = json.loads(sys.argv[1])
set_threads(2)

def prepare(sizes, compression):
    net = arbnet(sizes, hash=kind, compression=compression, **options)
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((8, size)).astype(np.float32) for size in (sizes[0], sizes[-1]))
    [layer.hash.state for layer in net.weights()]
    return net, net.init(), x, dy

def train(net, params, x, dy):
    _y, caches = net.forward(params, x, step=0)
    return net.backward(params, caches, dy)[1]

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # bytes, on Linux

with use(backend):
    train(*prepare([20, 30, 10], 0.1))  # compiles
    run([lambda: None] * 2)  # and what waits
    large = prepare(sizes, 0.01)
    child = os.fork()
    if child == 0:
        before = peak()
        grads = train(*large)
        assert np.isfinite(grads["table"]).all() and (grads["table"] != 0).mean() > 0.9
        net, params = large[:2]
        weights = [w for w in net.weights() if w.table == "table"]
        print(json.dumps({
            "extra": peak() - before, "virtual": sum(w.size for w in weights),
            "table": params["table"].nbytes, "hash": weights[0].hash.nbytes}), flush=True)
        os._exit(0)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="counts resident memory as Linux does")


def measure(backend: str, kind: str, **options: object) -> dict:
    arguments = json.dumps([SIZES, backend, kind, options])
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, arguments],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@linux
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("uniform", {"signed": True}),
        ("dirichlet", {"alpha": 10.0}),
        ("modulus", {}),
    ],
)
def test_a_network_trains_in_the_memory_of_its_table(kind, options):
    """Tiles, activations and partial tables come to about 14 MiB. The bound is below V of the
    first layer in float32 (23.4 MiB), let alone of the network (84.6 MiB), or an index of it at 8
    bytes (169 MiB)."""
    found = measure("numba", kind, **options)
    assert found["virtual"] == VIRTUAL == 22_164_000
    assert found["table"] < MIB
    assert found["hash"] in (0, 2 * found["table"])
    assert found["extra"] < 20 * MIB < 4 * 3072 * 2000


@linux
def test_the_measure_sees_a_virtual_weight_that_is_built():
    """The normative backend builds V and its index, a layer at a time: the measure must show it."""
    assert measure("numpy", "modulus")["extra"] > 4 * 3072 * 2000 + 8 * 3072 * 2000


W = VirtualWeight((24, 40), Uniform(50, 1, True))
BATCHES = (64, 8192)


def forward_and_backward(w: VirtualWeight, batch: int):
    x, dy = (np.ones((batch, size), np.float32) for size in w.shape[::-1])
    table = np.ones(w.hash.buckets, np.float32)
    return lambda: (matmul(x, table, w, "numba"), *matmul_backward(dy, x, table, w, "numba"))


@pytest.mark.parametrize("w", [W, W.T], ids=["V", "V^T"])
def test_extra_memory_does_not_grow_with_the_batch(w, monkeypatch):
    """Beyond the results there are tiles, of 256 entries here, and partial tables."""
    monkeypatch.setattr(products, "CUT", products.CUT._replace(tile=2**8))
    extra = []
    with cc.with_threads(2):
        forward_and_backward(w, 2)()  # compiles
        for batch in BATCHES:
            call = forward_and_backward(w, batch)
            tracemalloc.start()
            results = call()
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            extra.append(peak - sum(result.nbytes for result in results))
    assert all(more < MIB / 4 for more in extra), extra
    assert 4 * BATCHES[1] * min(w.shape) > MIB / 2  # what a copy of x or dy would take


def test_no_batch_is_so_large_that_v_is_hashed_twice_in_a_pass(monkeypatch):
    """Uncompiled, so that the calls can be counted."""
    counts, made = [], kernels.made

    def counting(*stages):
        locate, *others = made(*stages)

        def counted(firsts, words, constants):
            counts[-1] += words.size
            locate(firsts, words, constants)

        return counted, *others

    monkeypatch.setattr(kernels, "made", counting)
    monkeypatch.setattr(products, "compiled", lambda body, jit: body)
    monkeypatch.setattr(blas, "available", lambda: False)
    products.compiled_for.cache_clear()
    blas.product_of.cache_clear()
    try:
        for batch in BATCHES:
            counts.append(0)
            w = VirtualWeight(W.shape, W.hash)  # with a plan of its own
            forward_and_backward(w, batch)()
    finally:
        products.compiled_for.cache_clear()
        blas.product_of.cache_clear()
    assert counts == [2 * W.size] * 2  # once forward, once backward
