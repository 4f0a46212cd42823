"""Runs pytest on many copies of the package: runner.py JOBS.json OUT.json.

Jobs: name -> {package: the folder beside JOBS.json that holds a copy of minihash, target: a file of
tests, expression: pytest's -k, jit: whether Numba compiles, seconds: how long it may take}. Out:
name -> {code: pytest's status (negative: killed by that signal), output: its end, seconds: of a
processor}. As many jobs at a time as there are cores, each in a fork of this process, after the
imports below.
"""

import contextlib
import gc
import json
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path

PRELOAD = ["numpy", "scipy.stats", "numba", "hypothesis.extra.numpy", "xxhash", "pytest", "torch"]
PRELOAD += ["_pytest.assertion.rewrite", "platformdirs"]

OPTIONS = ["-q", "-x", "--tb=short", "--import-mode=importlib", "-o", "addopts="]
OPTIONS += ["-W", "ignore:Module already imported"]  # pytest's plugins, preloaded
OPTIONS += ["-W", "ignore:overflow encountered in scalar"]  # XXH32's, without jit
# What collects garbage or writes files, and proves nothing about a mutant.
for plugin in ("cacheprovider", "unraisableexception", "threadexception", "doctest", "junitxml"):
    OPTIONS += ["-p", f"no:{plugin}"]


def run_job(job: dict, base: Path, log: int) -> None:
    """In a child: never returns."""
    code = 99
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        signal.alarm(job["seconds"])
        sys.path.insert(0, str(base / job["package"]))
        import numba
        import pytest
        from hypothesis import HealthCheck, Phase, settings

        numba.config.DISABLE_JIT = not job["jit"]
        # A failure is enough: no search for a smaller one.
        phases = [Phase.explicit, Phase.generate]
        settings.register_profile(
            "mutants",
            phases=phases,
            max_examples=100,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        expression = ["-k", job["expression"]] if job["expression"] else []
        code = int(pytest.main([job["target"], *OPTIONS, *expression]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main(jobs_path: str, out_path: str) -> None:
    """See above."""
    os.nice(10)  # the tests that run beside it come first
    sys.path.pop(0)  # the folder of this script, which is none of a package's
    for module in PRELOAD:
        with contextlib.suppress(ImportError):
            __import__(module)
    ours = {"minihash", "tests", "reference"}
    assert not ours & {name.split(".")[0] for name in sys.modules}
    gc.freeze()  # no child looks through what all have
    waiting = list(json.loads(Path(jobs_path).read_text("utf-8")).items())[::-1]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    running: dict[int, tuple] = {}
    out: dict[str, dict] = {}
    while waiting or running:
        while waiting and len(running) < max(cores or 1, 2):
            name, job = waiting.pop()
            log = tempfile.TemporaryFile()  # noqa: SIM115 (read when the child has ended)
            child = os.fork()
            if child == 0:
                run_job(job, Path(jobs_path).parent, log.fileno())
            running[child] = name, log
        child, status, used = os.wait4(-1, 0)
        name, log = running.pop(child)
        log.seek(0)
        output = log.read().decode("utf-8", "replace")[-3000:]
        log.close()
        seconds = round(used.ru_utime + used.ru_stime, 2)
        code = os.waitstatus_to_exitcode(status)
        out[name] = {"code": code, "output": output, "seconds": seconds}
    Path(out_path).write_text(json.dumps(out), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
