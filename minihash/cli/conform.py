"""minihash selftest and minihash conform: known-answer cases, asked of minihash or of a program."""

import json
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from multiprocessing import get_context

from minihash import core
from minihash.checks import counted
from minihash.cli import terminal
from minihash.conformance import LEVELS, Case, Report, ask, cases, engine, program
from minihash.experiments.processes import cores

MEANING = ("XXH32", "hashes", "core", "layers", "training", "files")


def selftest(args: Namespace) -> int:
    """minihash selftest"""
    names = [args.backend] if args.backend else [n for n, why in core.backends().items() if not why]
    results, failed = {}, 0
    for name in names:
        then = time.perf_counter()
        found = summary(answered(name))
        results[name] = found | {"seconds": round(time.perf_counter() - then, 2)}
        failed += len(found["wrong"])
    if args.json:
        print(json.dumps(results))
    else:
        for name, found in results.items():
            print(f"{name}: {counted(found['cases'], 'case')}, {found['seconds']:.1f} s")
            show(found, of_all=len(names) == 1)
    return 1 if failed else 0


def answered(backend: str) -> list[Report]:
    """All cases, by minihash on this backend. One that compiles does so in two processes, since
    compilers hold a lock; cases that compile the same go together."""
    if backend == "numpy" or cores() < 2:
        return of_cases(backend, cases())
    alike: dict[object, list[Case]] = {}
    for case in cases():
        names = sorted(name.partition(":")[2] for name in case.needs)
        alike.setdefault((case.level, *names), []).append(case)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        return [*chain(*pool.map(partial(of_cases, backend), alike.values()))]


def of_cases(backend: str, some: Iterable[Case]) -> list[Report]:
    """What came of them."""
    with core.use(backend):
        return [*ask(some, engine.answer)]


def conform(args: Namespace) -> int:
    """minihash conform"""
    levels = args.level or LEVELS
    with program.running(args.program) as running:
        reports = list(ask(cases(levels), running.answer, running.claims_case))
    found = {"name": running.name} | summary(reports)
    if args.json:
        print(json.dumps(found))
    else:
        print(f"{running.name}: {counted(found['cases'], 'case')} asked")
        show(found)
    if not found["cases"]:
        print("minihash: the program claims none of the cases", file=sys.stderr)
    return 1 if found["wrong"] or not found["cases"] else 0


def summary(reports: Iterable[Report]) -> dict:
    """Counts by level, and what was wrong."""
    reports = list(reports)
    asked = [report for report in reports if report.asked]
    wrong = [report for report in asked if report.wrong]
    right = Counter(r.case.level for r in asked if not r.wrong)
    levels = Counter(r.case.level for r in asked)
    left = Counter(r.case.level for r in reports if not r.asked)
    return {
        "cases": len(asked),
        "levels": {
            str(k): {"asked": levels[k], "right": right[k], "not_claimed": left[k]}
            for k in sorted({*levels, *left})
        },
        "wrong": [
            {"id": r.case.id, "op": r.case.op, "wrong": r.wrong, "catches": r.case.catches}
            | {"section": r.case.section}
            for r in wrong
        ],
    }


def show(found: dict, of_all: bool = True) -> None:
    """A line a level, then a line for each case that went wrong."""
    if of_all:
        rows = [("level", "right", "asked", "not claimed")]
        for level, n in found["levels"].items():
            name = f"{level} {MEANING[int(level)]}"
            rows.append((name, str(n["right"]), str(n["asked"]), str(n["not_claimed"])))
        print(terminal.table(rows, "<>>>"))
    for case in found["wrong"]:
        print(f"{case['id']}: {case['wrong']}")
        print(f"    {case['op']}, section {case['section']}; the case is for: {case['catches']}")
