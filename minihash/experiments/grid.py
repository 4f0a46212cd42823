"""A grid: the values that each option of a run takes, and the runs that come of them.

    axes    {"hash": ("uniform", "dirichlet"), "alpha": (0.1, 1.0), "seed": (0, 1)}
    runs    one for each combination, the last axis running first: here 6

A combination whose model or hash has not an option goes without it, so that no two runs are the
same one: alpha 0.1 and alpha 1 under the uniform hash are one run. An option that no combination
has is refused. Options of hashes (--hash-option) are axes of their own, "hash_options.size".
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

from minihash.hashes import HASHES
from minihash.hashes.options import options
from minihash.runs.config import OF_SOME, Config
from minihash.runs.kinds import KINDS

Axes = Mapping[str, Sequence[object]]
OF_HASHES = ("alpha", "radius", "signed")
OPTION = "hash_options."
# What says where and how fast a run is computed, and not what.
WHERE = ("data_dir", "backend", "threads")
QUICK: dict[str, list[object]] = {"dataset": ["digits"], "epochs": [5]}


def expand(axes: Axes) -> list[Config]:
    """The different runs of a grid, in order. Raises ValueError for an option without a value or of
    no use in any of them, and as `Config` does.

    >>> [(c.hash, c.alpha) for c in expand({"hash": ("uniform", "dirichlet"), "alpha": (1.0, 9.0)})]
    [('uniform', None), ('dirichlet', 1.0), ('dirichlet', 9.0)]
    """
    if empty := [name for name, values in axes.items() if not values]:
        raise ValueError(f"{_flag(empty[0])} has no value in this grid: give one, or leave it out")
    found: dict[str, Config] = {}
    used: set[str] = set()
    for values in product(*axes.values()):
        asked = dict(zip(axes, values, strict=True))
        given = {name: value for name, value in asked.items() if _applies(name, asked)}
        used |= given.keys()
        config = _config(given)
        found.setdefault(identity(config), config)
    if idle := [name for name in axes if name not in used]:
        raise ValueError(
            f"no run of this grid has a use for {_flag(idle[0])}: leave it out, or add the model, "
            "the hash or the option that it belongs to"
        )
    return list(found.values())


def together(grids: Sequence[Axes]) -> list[Config]:
    """The different runs of several grids. Raises as `expand` does.

    >>> len(together([{"seed": (0, 1)}, {"seed": (1, 2)}]))
    3
    """
    runs = (config for axes in grids for config in expand(axes))
    return list({identity(config): config for config in runs}.values())


def identity(config: Config) -> str:
    """A text that two runs share if they compute the same.

    >>> identity(Config(threads=2)) == identity(Config()) != identity(Config(seed=1))
    True
    """
    return json.dumps(without(config, WHERE), sort_keys=True)


def without(config: Config, names: Sequence[str]) -> dict:
    """The choices of a run as JSON, but for those of these names. A teacher has no place, but its
    name: a record's "data" tell two of one name apart."""
    found = {name: value for name, value in config.to_json().items() if name not in names}
    teacher = {"teacher": os.path.basename(config.teacher)} if config.teacher else {}
    return found | teacher


def seedless(config: Config) -> str:
    """A text that runs share if they differ in their seeds alone."""
    return identity(replace(config, seed=0))


def _config(given: Mapping[str, object]) -> Config:
    plain = {name: value for name, value in given.items() if not name.startswith(OPTION)}
    own = {name.removeprefix(OPTION): given[name] for name in given if name not in plain}
    return Config(**plain, hash_options=tuple(own.items()))


def _applies(name: str, asked: Mapping[str, object]) -> bool:
    """Whether the run that is asked for has this option; if its model or hash is unknown, it is
    left to `Config` to say so."""
    kind = KINDS.get(str(asked.get("model", Config.model)))
    if kind is None:
        return True
    if name in ("patience", "plateau_of") and asked.get("validation") is None:
        return False
    if name in ("plateau", "plateau_of"):
        return asked.get("decay") is None
    if name in ("temperature", "mix"):
        return asked.get("teacher") is not None
    if name in ("momentum", "dampening"):
        return (asked.get("optimiser") or kind.choices.get("optimiser", "sgd")) == "sgd"
    if name in OF_SOME and name not in kind.choices:
        return False
    if name == "hash" and asked.get("source") == "lowrank":
        return asked["hash"] == "identity"
    unshared = asked.get("compression") is None
    chosen = asked.get("hash") or (kind if unshared else KINDS["mlp"]).choices["hash"]
    if name == "compression":
        return chosen != "identity" or asked.get("source") == "lowrank"
    option = name.removeprefix(OPTION)
    if (name in OF_HASHES or name != option) and chosen in HASHES:
        return option in options(HASHES[str(chosen)])
    return True


def _flag(name: str) -> str:
    option = name.removeprefix(OPTION)
    return f"--{name.replace('_', '-')}" if name == option else f"--hash-option {option}"
