"""Compression of a trained run, by a method of minihash/sharing: a run of its own, in a folder of
its own, which trains the network of one stage after another.

    the trained run  ->  stage 0, trained  ->  stage 1, trained  ->  ...  ->  the compressed model

Each stage is saved as any run is, after each epoch and when it is told to stop; beside the rest the
file holds the method, its options and the number of the stage. A compression that is stopped and
resumed at any moments ends with the same model, bit for bit. Once done, it is a run like any other:
training goes on under the last network.
"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from minihash import training
from minihash.data import Dataset, Text
from minihash.files.coded import packed
from minihash.files.spec import coded_form, decode, encode
from minihash.hashes import Lookup
from minihash.hashes.options import option
from minihash.runs import creation, teaching
from minihash.runs import folder as disk
from minihash.runs.config import check_place
from minihash.runs.folder import Run
from minihash.runs.machine import machine
from minihash.runs.model import FILE, Model
from minihash.runs.progress import Progress
from minihash.runs.train import data_of, go_on, summary, under_way
from minihash.sharing import METHODS, Method, Stage, matrices
from minihash.training.penalties import OnTables


def made(name: str, options: dict[str, object]) -> Method:
    """The method of this name. Text of an option is read by the type of its field.

    Raises ValueError for another name or option, TypeError or ValueError for a value out of range.

    >>> made("codebook", {"bits": "6,6,5"}).bits
    (6, 6, 5)
    """
    if name not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {name!r}")
    cls = METHODS[name]
    return cls(**{key: option(cls, key, value, "method") for key, value in options.items()})


def compress(
    source: Path,
    method: str = "codebook",
    options: dict[str, object] | None = None,
    out: Path | None = None,
    places: dict | None = None,
    progress: Progress | None = None,
) -> dict:
    """Compress the run in `source` by a method; return its `result`.

    places: the data_dir, backend and threads, where they are not those of the run.
    Raises Stopped, ValueError, TypeError, OSError and MemoryError.
    """
    how = made(method, options or {})
    run = disk.load(source)
    if under_way(run) or not run.usable:
        raise ValueError(f"{source} is not trained yet: go on with it first")
    if out is not None:
        creation.check_free(out)
    run = _placed(run, places)
    config = replace(run.config, validation=None, patience=None, epochs=0)
    with machine(config.backend, config.threads):
        data = teaching.taught(config, data_of(run, source))
        how_trained = run.initial.training
        plain = tuple(p for p in how_trained.penalties if isinstance(p, OnTables))
        plan = replace(how_trained, penalties=plain)
        if plan.schedule.of == "validation":  # all examples are trained on
            plan = replace(plan, schedule=replace(plan.schedule, of="training"))
        sharing = {
            "method": method,
            "options": {name: encode(value, {}) for name, value in vars(how).items()},
            "training": encode(plan, {}),
            "source": str(source.absolute()),
            "before": _measured(run.model, data) | {"bytes": (source / FILE).stat().st_size},
            "stages": [],
            "done": False,
        }
        state = replace(run.state, params=run.model.params, epoch=0, batch=0, step=0)
        begun = Run(config, run.model, state, run.data, sharing=sharing)
        return _stages(begun, data, None, out, progress or Progress())


def resume(folder: Path, places: dict | None = None, progress: Progress | None = None) -> dict:
    """Go on with the compression in `folder`; return its `result`. Raises as `compress` does."""
    run = disk.load(folder)
    if not run.sharing:
        raise ValueError(f"{folder} is no compression: name the folder that one has made by --out")
    run = _placed(run, places)
    with machine(run.config.backend, run.config.threads):
        data = teaching.taught(run.config, data_of(run, folder)) if under_way(run) else None
        return _stages(run, data, folder, None, progress or Progress())


def _placed(run: Run, places: dict | None) -> Run:
    given = {name: value for name, value in (places or {}).items() if value is not None}
    check_place(run.config.dataset, given.get("data_dir"), download=False)
    return replace(run, config=replace(run.config, **given))


def _stages(
    run: Run, data: Dataset | Text, folder: Path | None, out: Path | None, progress: Progress
) -> dict:
    """All that is left of it, in `folder`, or in a new one."""
    how = _method(run.sharing)
    plan = decode(run.sharing["training"], {})
    learnt = data.x_train if isinstance(data, Dataset) else getattr(data, "train", ())

    def open_folder() -> Path:
        if folder is None:
            return creation.create(out, run)
        disk.save(folder, run)
        return folder

    while under_way(run):
        stages = run.sharing["stages"]
        if run.finished:
            stage = how.stage(len(stages), run.initial.network, run.state.params, plan, len(learnt))
            if stage is None:
                run = replace(run, sharing=run.sharing | {"done": True})
                disk.save(folder, run)
                break
            run = _begun(run, stage, data)
            progress.say(f"stage {len(stages) + 1}: {stage.name}")
        run, folder = go_on(run, data, None, open_folder, progress)
    return result(run, folder)


def _method(sharing: dict) -> Method:
    return made(sharing["method"], {n: decode(x, {}) for n, x in sharing["options"].items()})


def _begun(run: Run, stage: Stage, data: Dataset | Text) -> Run:
    """The run at the first step of a stage, with what it is before that."""
    epochs = run.state.epoch + stage.training.epochs
    how = replace(stage.training, epochs=epochs)
    model = replace(run.initial, network=stage.network, params=stage.params, training=how)
    state = training.start(stage.network, how, params=stage.params)
    state = replace(state, epoch=run.state.epoch, step=run.state.step)
    told = {"name": stage.name, "epochs": epochs, "before": _measured(model, data), **stage.told}
    sharing = run.sharing | {"stages": [*run.sharing["stages"], told]}
    config = replace(run.config, epochs=epochs)
    return replace(run, config=config, initial=model, state=state, sharing=sharing)


def _measured(model: Model, data: Dataset | Text) -> dict[str, float | None]:
    """Its metrics on the test set, as JSON holds them."""
    return {name: x if math.isfinite(x) else None for name, x in model.measure(data).items()}


def layers(model: Model) -> list[dict[str, object]]:
    """Of each weight that is shared: how many, how many are connected, the values they have, the
    bits of a value and of a gap, and bytes, table included: dense, at fixed widths, in the file."""
    itemsize, rows = next(iter(model.params.values())).itemsize, []
    for name, w in matrices(model.network).items():
        hash_, table = w.hash, w.hash.buckets * itemsize
        row: dict[str, object] = {"weight": name, "weights": w.size, "dense": w.size * itemsize}
        row["kept"] = int(np.count_nonzero(hash_.sign(np.arange(w.size) + w.first_id)))
        fixed = coded = sum(a.nbytes for a in vars(hash_).values() if isinstance(a, np.ndarray))
        bits, gap_bits = 8 * itemsize, 0
        if type(hash_) is Lookup:
            bits, gap_bits, fixed = packed(hash_)
            form = coded_form(hash_)
            coded = hash_.nbytes if form is None else form.size
        row |= {"values": hash_.buckets, "bits": bits, "gap_bits": gap_bits}
        rows.append(row | {"packed": fixed + table, "coded": coded + table})
    return rows


def result(run: Run, folder: Path) -> dict:
    """What `summary` says, and of the compression: its method, what it was before, each stage with
    its metrics before and after, and the rate, bytes of the file before / bytes of this one."""
    about, before = summary(run, folder), run.sharing["before"]
    stages = []
    for told in run.sharing["stages"]:
        after = run.metrics[told["epochs"] - 1]
        stages.append(told | {"after": {name: after[name] for name in told["before"]}})
    own = {"method": run.sharing["method"], "source": run.sharing["source"], "before": before}
    rate = before["bytes"] / about["bytes_on_disk"]
    return about | own | {"stages": stages, "layers": layers(run.model), "rate": rate}
