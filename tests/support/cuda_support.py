"""What the cases of the GPU backend share: small blocks, mutants, random integers, a cell."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest
from numba import config

from minihash.compile.reals import choose, one, zero
from minihash.core import cuda as cuda_backend
from minihash.core.cuda import device, products, recurrence
from minihash.core.cuda import kernels as cuda_kernels
from minihash.layers.recurrent import Recurrent

SIMULATED = bool(config.ENABLE_CUDASIM)
ANY = np.random.default_rng(0)
FLOATS = [np.float32, np.float64]
USERS = (cuda_backend, device, products, recurrence)  # of the kernels
FAILURES = (AssertionError, ArithmeticError, ValueError, IndexError)

SMALL = {"U64(256)": "U64(8)", "U64(128), U64(32), U64(16)": "U64(8), U64(4), U64(4)"}
SMALL |= {"EACH = U64(4)": "EACH = U64(2)"}


def mutated(module: ModuleType, replacements: dict[str, str]) -> ModuleType:
    """The module with other code."""
    source = Path(module.__file__).read_text()
    for old, new in replacements.items():
        assert old in source, old
        source = source.replace(old, new)
    copy = ModuleType(module.__name__)
    exec(compile(source, module.__name__, "exec"), copy.__dict__)
    return copy


def use_kernels(patch: pytest.MonkeyPatch, kernels: ModuleType) -> None:
    """The whole backend takes these kernels."""
    for module in USERS:
        patch.setattr(module, "kernels", kernels)


@pytest.fixture(autouse=SIMULATED, scope="module")
def small_blocks():
    """The simulator runs a thread for each of a block's threads."""
    with pytest.MonkeyPatch.context() as patch:
        use_kernels(patch, mutated(cuda_kernels, SMALL))
        yield


def whole(*shape: int, dtype: type = np.float32, most: int = 50) -> np.ndarray:
    """Random integers, new ones at each call."""
    return ANY.integers(-most, most + 1, shape).astype(dtype)


def same(ours, theirs: np.ndarray) -> None:
    """NumPy arrays of one dtype and equal bit for bit, but for the sign of a zero."""
    assert type(ours) is np.ndarray
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    assert (ours + 0).tobytes() == (theirs + 0).tobytes()


def all_same(ours, theirs) -> None:
    """`same` for arrays in tuples or lists, of any depth; None is itself."""
    if isinstance(theirs, (tuple, list)):
        for one, other in zip(ours, theirs, strict=True):
            all_same(one, other)
    elif theirs is None:
        assert ours is None
    else:
        same(ours, theirs)


# A cell as a user writes one: with two states, a number and a function of its own, of a name that
# compile/reals.py has too.

slope = 0.25


def sigmoid(x):
    return choose(x > zero, x, slope * x)


def step(a, r, state):
    h, count = state
    new = sigmoid(a[0] + r[0]) + h
    return (new, count + one), (a[0] + r[0],)


def step_back(kept, before, dstate):
    da = (choose(kept[0] > zero, dstate[0], slope * dstate[0]),)
    return da, da, (dstate[0], dstate[1])


@dataclass(frozen=True)
class Leaky(Recurrent):
    """h_t = leaky ReLU of (a + r) + h_{t-1}, and a count of the steps."""

    gates: ClassVar[int] = 1
    states: ClassVar[int] = 2
    step = staticmethod(step)
    step_back = staticmethod(step_back)
