"""The GPU backend: its cases in the simulator and on a GPU, its kernels compiled for a real one,
its arithmetic in Numba's types, and what it says where it cannot be used."""

import math
import os
import random
import subprocess
import sys
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from minihash import core
from minihash.compile.jit import njit
from minihash.core import cuda as cuda_backend
from minihash.core.cuda import device
from minihash.core.cuda import kernels as cuda_kernels
from minihash.hashes.windows import Windows
from minihash.layers import ELU, GRU, LSTM, RNN, ReLU, Sigmoid, Tanh
from minihash.weights import VirtualWeight
from tests.support.beside import CASES
from tests.support.cuda_cases import HASHES
from tests.support.cuda_support import Leaky

GPU = SimpleNamespace(compute_capability=(9, 0))


def test_cases_in_the_simulator(simulated):
    assert " passed" in simulated.wait()


def test_cases_on_a_gpu():
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "0"}
    question = "from numba import cuda; print(cuda.is_available())"
    answer = subprocess.run(
        [sys.executable, "-c", question], env=environment, capture_output=True, text=True
    )
    if "True" not in answer.stdout:
        pytest.skip("no NVIDIA GPU with its driver here")
    command = [sys.executable, "-m", "pytest", *CASES, "--tb=short"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture
def launches(monkeypatch):
    """Compiles what the backend launches, for the types it launches it with: {name: PTX}."""
    pytest.importorskip(
        "numba_cuda", reason="numba-cuda is not installed; it compiles without a GPU"
    )
    import numba
    from numba import config, cuda
    from numba.cuda import dispatcher

    if config.ENABLE_CUDASIM:
        pytest.skip("the simulator was asked for; it has no compiler")
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: GPU)
    try:
        cuda.compile_ptx(lambda: None, (), cc=GPU.compute_capability)
    except Exception as error:
        pytest.skip(f"numba-cuda cannot compile here: {type(error).__name__}")
    ptx = {}

    def compile_it(run, blocks, *arguments):
        types = tuple(map(numba.typeof, arguments))
        if (run, types) not in compiled:
            text, _ = cuda.compile_ptx(run.py_func, types, cc=GPU.compute_capability)
            compiled.add((run, types))
            ptx[f"{len(compiled)} {run.py_func.__name__}"] = text

    compiled = set()
    monkeypatch.setattr(cuda, "device_array", np.zeros)
    monkeypatch.setattr(cuda, "to_device", np.copy)
    monkeypatch.setattr(device, "home", lambda result, shape, stays: result.reshape(shape))
    monkeypatch.setattr(device, "launch", compile_it)
    for cache in ("_kernels", "_resident"):
        monkeypatch.setattr(device, cache, {})
    return ptx


@pytest.mark.parametrize("name", HASHES)
def test_compiles_for_a_gpu(name, launches):
    """With each integer kept an integer: int64 and uint64 make a float64 in Numba. And with each
    sum of a product in a register."""

    w = VirtualWeight((9, 8), HASHES[name])
    table, x = np.zeros(w.hash.buckets, np.float32), np.zeros((2, 8), np.float32)
    cuda_backend.gather(table, w)
    cuda_backend.matmul(x, table, w)
    for kernel, text in launches.items():
        assert ".entry" in text
        assert ".f64" not in text, kernel
        assert ".local" not in text, kernel
    assert {key.split()[1] for key in launches} == {"fill", "product"}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_kernels_compile_for_a_gpu(dtype, launches):
    w = VirtualWeight((130, 131), HASHES["uniform signed"])
    table, dV = np.zeros(w.hash.buckets, dtype), np.zeros(w.shape, dtype)
    x, dy = np.zeros((2, 131), dtype), np.zeros((2, 130), dtype)
    for deterministic in (True, False):
        cuda_backend.scatter_add(dV, w, deterministic=deterministic)
        cuda_backend.matmul_backward(dy, x, table, w, deterministic=deterministic)
    cuda_backend.matmul(x, table, w)
    names = [key.split()[1] for key in launches]
    assert sorted(names) == sorted(
        ["clear"] * 2 + ["finish", "merge"] + ["scatter"] * 3 + ["product"] * 4
    )
    assert all(".local" not in text for text in launches.values())


IN_FLOAT64 = {"sum_columns", "moments", "scale", "slopes"}  # scale reads a mean


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layers_compile_for_a_gpu(dtype, launches):
    """Float32 stays float32 but in sums over a batch; and nothing is in local memory, no tuple of a
    cell's either."""
    x, K, B = (np.zeros(shape, dtype) for shape in ((2, 4, 5, 6), (6, 2, 3, 2), 6))
    windows = Windows((3, 2), stride=2, padding=1)
    cuda_backend.convolve(x, K, B, windows, 2)
    cuda_backend.convolve_backward(np.zeros((2, 6, 3, 4), dtype), x, K, True, windows, 2)
    cuda_backend.add(B, B)
    y, x_hat, r, *known = cuda_backend.normalise(x, B[:4], B[:4], 0.1, None)
    cuda_backend.normalise(x, B[:4], B[:4], 0.1, known)
    cuda_backend.normalise_backward(y, x_hat, B[:4], r, False)
    for layer in (ELU, ReLU, Sigmoid, Tanh):
        cuda_backend.each(layer.f, x)
        cuda_backend.each(layer.f_backward, x, y)
    w = VirtualWeight((3, 4), HASHES["modulus"])
    cuda_backend.matmul(np.zeros((2, 4), dtype), np.zeros(5, dtype), w, B[:3])
    cells = [cls.plain("r", 2, 3, truncate=2) for cls in (RNN, GRU, LSTM)]
    for cell in (*cells, RNN.plain("r", 2, 3, nonlinearity="relu"), Leaky(*cells[0].weights())):
        rows = cell.gates * 3
        weights = tuple(np.zeros(shape, dtype) for shape in ((rows, 2), (rows, 3), rows, rows))
        state = (np.zeros((2, 3), dtype),) * cell.states
        x = np.zeros((2, 4, 2), dtype)
        y, final, tape = cuda_backend.recur(cell, x, state, np.array([4, 2]), weights)
        cuda_backend.recur_backward(cell, tape, y, final)
    for kernel, text in launches.items():
        assert ".local" not in text, kernel
        if dtype == np.float32 and kernel.split()[1] not in IN_FLOAT64:
            assert ".f64" not in text, kernel
    names = [key.split()[1] for key in launches]
    counts = {"go_on": 5, "go_back": 5, "sum_y": 1, "sum_dx": 1, "sum_dK": 1, "sum_columns": 1}
    counts |= {"add_pairs": 1, "shift": 1, "inside": 1, "of_one": 4, "of_two": 4}
    counts |= {"moments": 1, "scale": 1, "slopes": 1, "descend": 1}
    assert {name: names.count(name) for name in counts} == counts


@pytest.mark.parametrize("bits", [31, 40, 53, 62])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fixed_point(dtype, bits):
    """In the types of Numba: limbs lose less than 2^(e - 2 bits) of a term, and nothing of one that
    has its bits within; their sums come back within two roundings."""
    fixed, floating = njit(cuda_kernels.fixed), njit(cuda_kernels.floating)
    info = np.finfo(dtype)
    chance = random.Random(bits)
    for _ in range(40):
        top = chance.randint(info.minexp, info.maxexp)
        terms = [
            dtype(chance.choice([-1, 1]) * math.ldexp(chance.uniform(0.5, 0.99), e))
            for e in (top, *(top - chance.randint(0, 150) for _ in range(chance.randint(0, 4))))
        ]
        peak = dtype(max(map(abs, terms)))
        unit = Fraction(2) ** (math.frexp(peak)[1] - 2 * bits)
        sums = [0, 0]
        for v in terms:
            high, low = fixed(v, peak, bits)
            assert abs(high) <= 2**bits
            assert abs(low) <= 2**bits
            rest = Fraction(float(v)) - (high * 2**bits + low) * unit
            assert abs(rest) < unit
            assert rest == 0 or abs(v) < peak * 2.0 ** (info.nmant + 1 - 2 * bits)
            sums = [sums[0] + high, sums[1] + low]
        exact = (sums[0] * 2**bits + sums[1]) * unit
        total = floating(*sums, peak, bits)
        if math.isinf(total):
            assert abs(exact) >= 2**1024 * (1 - Fraction(1, 2**54))
            continue
        error = abs(Fraction(total) - exact)
        assert error <= 2 * abs(exact) / 2**53 + len(terms) * unit * 2**bits / 2**53
        if len(terms) == 1:
            assert total == terms[0]


def test_limbs_fit():
    """n terms below 2^bits stay below 2^62, for any n."""
    for n in (1, 2, 3, 1024, 1025, 10**9, 2**40):
        assert n * 2 ** cuda_backend.limb_bits(n) <= 2**62
        assert cuda_backend.limb_bits(n) >= 61 - math.log2(n)


def test_numba_cuda_is_imported_late():
    code = "import sys, minihash.core.cuda; assert 'numba.cuda' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_says_why_it_cannot_be_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    assert "pip install numba-cuda" in cuda_backend.available.__wrapped__()
    config = SimpleNamespace(ENABLE_CUDASIM=0)
    missing = SimpleNamespace(config=config, cuda=SimpleNamespace(is_available=lambda: False))
    monkeypatch.setitem(sys.modules, "numba", missing)
    why = cuda_backend.available.__wrapped__()
    assert "no NVIDIA GPU" in why
    config.ENABLE_CUDASIM = 1
    assert cuda_backend.available.__wrapped__() == ""
    monkeypatch.setattr(cuda_backend, "available", lambda: why)
    with pytest.raises(ValueError, match="the backend cuda cannot be used here: no NVIDIA GPU"):
        core.get_backend("cuda")


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_other_backends_refuse_device_arrays(backend):
    array = SimpleNamespace(__cuda_array_interface__={}, shape=(3,), dtype=np.dtype(np.float32))
    w = VirtualWeight((2, 2), HASHES["uniform"])
    with pytest.raises(TypeError, match="in the memory of a GPU"):
        core.gather(array, w, backend=backend)
