"""The figures that can be made again: runs, numbers, pictures, and whether each claim held.

reproduce    -> NAME.jsonl   the runs, resumed if they were stopped; two figures of the same runs
                             share the file
                FIGURE.csv   a line a run and epoch
                FIGURE.png, FIGURE.svg    where matplotlib is
                FIGURE.md    what came out, and whether each claim held
"""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from minihash.experiments import (
    balance_or_noise,
    bimodal,
    choices,
    drawing,
    expansion,
    fig1,
    fig2,
    fig3,
    fig4,
    hashednets,
    repeats,
)
from minihash.experiments.claims import Claim, markdown
from minihash.experiments.grid import together
from minihash.experiments.ledger import read
from minihash.experiments.progress import Shown
from minihash.experiments.results import as_csv, rows
from minihash.experiments.sweep import Schedule, Swept, lacking, sweep
from minihash.files.atomic import atomic_write
from minihash.runs import train
from minihash.runs.config import Config

FIGURES: dict[str, ModuleType] = {
    "fig2": fig2,
    "fig3": fig3,
    "fig4": fig4,
    "balance-or-noise": balance_or_noise,
    "choices": choices,
    "repeats": repeats,
    "bimodal": bimodal,
    "hashednets": hashednets,
    "expansion": expansion,
}
NAMES = ("fig1", *FIGURES)


@dataclass(frozen=True)
class Reproduced:
    """What came out. files: that were written. swept: None where nothing is trained."""

    claims: tuple[Claim, ...]
    files: tuple[Path, ...]
    swept: Swept | None = None


def runs(name: str, dataset: str, places: dict[str, object] | None = None) -> list[Config]:
    """The runs of a figure. places: where the data are, and what computes (data_dir, backend).
    Raises ValueError for a data set that the figure is not of.

    >>> len(runs("fig2", "mnist")), len(runs("fig4", "cifar10")), len(runs("fig3", "digits"))
    (160, 16, 64)
    """
    own = {key: [value] for key, value in (places or {}).items()}
    if dataset not in (grids := FIGURES[name].GRIDS):
        raise ValueError(f"{name} is of {', '.join(grids)}, got --dataset {dataset}: name another")
    return together([{**axes, **own} for axes in grids[dataset]])


def ledger_of(name: str, dataset: str, folder: Path) -> Path:
    """The file of the figure's runs."""
    return folder / f"{FIGURES[name].FILE}-{dataset}.jsonl"


def reproduce(
    name: str,
    configs: list[Config],
    folder: Path,
    schedule: Schedule | None = None,
    shown: Shown | None = None,
    download: bool = False,
) -> Reproduced:
    """Run what is missing of these runs of a figure (fig1 has none), and write what comes of all.

    A figure with a function `counting` says by it which epochs of a run count; one with a function
    `measured` computes from the data what the runs have not kept. Without all runs (some failed, or
    the sweep was stopped) nothing but them is written. Warns if there is no matplotlib. Raises as
    `sweep` does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if name == "fig1":
        found = fig1.draws()
        claims = fig1.claims(found)
        texts = {".csv": fig1.csv(found), ".md": markdown(claims)}
        return Reproduced(tuple(claims), _written(folder / name, fig1, found, texts))
    figure, dataset = FIGURES[name], str(configs[0].dataset)
    path = ledger_of(name, dataset, folder)
    configs = _with_teacher(figure, configs, path, shown or Shown(None), download)
    swept = sweep(configs, path, schedule, shown, download)
    if len(swept.records) < len(configs):
        return Reproduced((), (path,), swept)
    records = getattr(figure, "counting", list)(swept.records)
    if hasattr(figure, "measured"):
        records = figure.measured(records, configs[0])
    claims = figure.claims(records, dataset)
    said = f"{markdown(claims)}\n\n{figure.table(records)}"
    texts = {".csv": as_csv(rows(records), every=False), ".md": said}
    files = _written(folder / f"{name}-{dataset}", figure, records, texts)
    return Reproduced(tuple(claims), (path, *files), swept)


def _with_teacher(
    figure: ModuleType, configs: list[Config], path: Path, shown: Shown, download: bool
) -> list[Config]:
    """The runs, with their teacher beside the file of the runs, if it lacks any that has one. The
    teacher is trained first, or to its end."""
    missing = lacking(configs, read(path) if path.exists() else [])
    names = {config.teacher for config in missing if config.teacher}
    if not names:
        return configs
    (name,), first = names, configs[0]
    folder = path.parent / str(name)
    shown.say(f"first the teacher of some, in {folder}")
    if folder.exists():
        train.resume(folder, {}, download)
    else:
        places = {"data_dir": first.data_dir, "backend": first.backend}
        train.begin(replace(figure.teacher(first.dataset), **places), folder, download)
    return [replace(c, teacher=str(folder)) if c.teacher else c for c in configs]


def _written(
    base: Path, figure: ModuleType, found: list[dict], texts: dict[str, str]
) -> tuple[Path, ...]:
    """Texts and pictures at `base` with an ending each."""
    files = [base.parent / f"{base.name}{ending}" for ending in texts]
    for path, text in zip(files, texts.values(), strict=True):
        atomic_write(path, (text.rstrip() + "\n").encode())
    if not drawing.can_draw():
        warnings.warn("no picture is drawn: pip install 'minihash[plot]' first", stacklevel=4)
        return tuple(files)
    pictures = [base.parent / f"{base.name}{ending}" for ending in (".png", ".svg")]
    canvas = drawing.empty(pictures[0], (9, 5.5))
    figure.draw(canvas, found)
    canvas.suptitle(f"{base.name}: {figure.TITLE}", fontsize=11)
    for path in pictures:
        drawing.write(path, canvas)
    return (*files, *pictures)
