"""Bodies that are written anew under an old name: in one process, between processes, on disk."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minihash import core
from minihash.compile.body import LONGEST, bound, compiled, digest
from minihash.hashes import Compose, Uniform
from minihash.weights import VirtualWeight
from tests.support.core_cases import rewritten, whole

pytest.importorskip("numba")
ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(0)


def results(w, backend):
    table, x, dy = (whole(RNG, shape, float) for shape in ((w.hash.buckets,), (2, 4), (2, 3)))
    V = core.gather(table, w, backend)
    dx, dtable = core.matmul_backward(dy, x, table, w, backend)
    np.testing.assert_array_equal(dx, dy @ V)
    np.testing.assert_array_equal(dtable, core.scatter_add(dy.T @ x, w, "numpy"))
    np.testing.assert_array_equal(core.scatter_add(dy.T @ x, w, backend), dtable)
    np.testing.assert_array_equal(core.matmul(x, table, w, backend), x @ V.T)
    return core.gather(np.arange(w.hash.buckets * 1.0), w, backend).tolist()


def test_a_body_written_anew_is_compiled_anew():
    found = []
    for step in (2, 3, 5, 2):
        w = VirtualWeight((3, 4), rewritten(step)(7))
        found.append(results(w, "numba"))
        assert found[-1] == results(w, "numpy")
    assert found[0] == found[3] and len(set(map(str, found))) == 3


def body(source, **space):
    exec(source, space)
    return space["body"]


def test_what_computes_the_same_is_compiled_once():
    jits = []
    source = "def body(i, state): return helper(i) + K"
    half, third = (body(f"def body(i): return i // {n}") for n in (2, 3))
    made = [
        compiled(body(source, helper=helper, K=K), jits.append)
        for helper, K in ((half, 1), (half, 1), (half, 2), (third, 1), (half, 1.0))
    ]
    assert made == [None] * 5  # what jit gave
    names = [function.__name__ for function in jits]
    assert len(names) == len(set(names)) == 2 + 4


SAME = "def body(i): return i + 1"
DIFFERENT = [
    (SAME, {}),
    ("def body(i): return i + 2", {}),
    ("def body(i): return i - 1", {}),
    ("def body(i): return i.real", {}),
    ("def body(i): return i.imag", {}),
    ("def body(i): return np.sin(i)", {"np": np}),
    ("def body(i): return f(i)", {"f": np.sin}),
    ("def body(i): return f(i)", {"f": np.cos}),
    ("def body(i): return f(i)", {"f": body(SAME)}),
    ("def body(i): return f(i)", {"f": body("def body(i): return i + 2")}),
    ("def body(i): return K", {"K": 1}),
    ("def body(i): return K", {"K": True}),
    ("def body(i): return K", {"K": np.uint32(1)}),
    ("def body(i): return K", {"K": np.uint64(1)}),
    ("def body(i): return K", {"K": (1, 2)}),
    ("def body(i): return K", {"K": (1, 3)}),
    ("def body(i): return K[i]", {"K": np.arange(2000)}),
    ("def body(i): return K[i]", {"K": np.r_[:1000, 0, 1001:2000]}),
    ("def body(i): return [k for k in (1, 2)]", {}),
    ("def body(i): return [k + 1 for k in (1, 2)]", {}),
]


def test_a_digest_tells_bodies_apart_by_all_that_they_compute():
    digests = [digest(body(source, **space)) for source, space in DIFFERENT]
    assert len(set(digests)) == len(DIFFERENT)
    assert digests == [digest(body(source, **space)) for source, space in DIFFERENT]
    assert digest(bound(body(SAME), "other")) == digests[0]


def test_functions_that_call_one_another_have_digests():
    space = {}
    exec("def odd(i): return even(i - 1)\ndef even(i): return i == 0 or odd(i - 1)", space)
    assert digest(space["odd"]) != digest(space["even"])


IN_A_PROCESS = """
import sys
import numpy as np
from minihash import core
from minihash.weights import VirtualWeight
from tests.support.core_cases import rewritten
w = VirtualWeight((3, 4), rewritten(int(sys.argv[1]))(7))
print(core.gather(np.arange(7.0), w, "numba").tolist())
"""


def in_a_process(step, cache, seed):
    environment = os.environ | {"MINIHASH_CACHE": str(cache), "PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", IN_A_PROCESS, str(step)]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    w = VirtualWeight((3, 4), rewritten(step)(7))
    assert done.stdout.strip() == str(core.gather(np.arange(7.0), w, "numpy").tolist())
    return {path.name: path.stat().st_mtime_ns for path in cache.rglob("*.nb?")}


def test_code_on_disk_is_that_of_the_body_and_is_found_again(tmp_path):
    first = in_a_process(2, tmp_path, "1")
    assert first and in_a_process(2, tmp_path, "2") == first
    both = in_a_process(3, tmp_path, "1")
    assert first.items() < both.items()
    assert {name.partition("-")[0] for name in both.keys() - first.keys()} == {
        "kernels.locate_drawn",
        "guard.largest",  # a hash from outside is checked
        "hash.bucket(Mine.draw,)",
    }
    assert in_a_process(2, tmp_path, "3") == both


DEEP = """
from tests.compile.test_body import deep, results
assert results(deep(), "numba") == results(deep(), "numpy")
"""


def deep():
    """A hash of a hash of ... whose names are longer than a file's may be."""
    hash_ = Uniform(50)
    for k in range(6):
        hash_ = Compose(hash_, Uniform(49 - k, seed=k))
    assert len(hash_.stages[1].__qualname__) > 255
    return VirtualWeight((3, 4), hash_)


def test_names_of_files_are_never_too_long(tmp_path):
    environment = os.environ | {"MINIHASH_CACHE": str(tmp_path)}
    subprocess.run([sys.executable, "-c", DEEP], env=environment, cwd=ROOT, check=True)
    lengths = [len(path.name) for path in tmp_path.rglob("*.nb?")]
    assert LONGEST < max(lengths) < 160
