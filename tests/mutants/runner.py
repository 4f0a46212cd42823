"""Runs pytest on many copies of the package: mutant_runner.py JOBS.json OUT.json.

Jobs: name -> {package: the folder that holds a copy of minihash, tests: ["target -k expression"],
jit: whether Numba compiles, seconds: how long it may take}. Out: name -> {code: pytest's first
status that is not 0 (negative: killed by that signal), output: its end}. As many jobs at a time as
there are cores, each in a fork of this process, after the imports below.
"""

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

PRELOAD = ["numpy", "scipy.stats", "numba", "hypothesis", "xxhash", "pytest", "torch"]


def run_job(job: dict, log: int) -> None:
    """In a child: never returns."""
    code = 99
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        signal.alarm(job["seconds"])
        sys.path.insert(0, job["package"])
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
        for test in job["tests"]:
            target, _, expression = test.partition(" -k ")
            options = ["-x", "-p", "no:cacheprovider", "--tb=short"]
            options += ["-W", "ignore:Module already imported"]  # pytest's plugins, preloaded
            options += ["-W", "ignore:overflow encountered in scalar"]  # XXH32's, without jit
            options += ["-k", expression] if expression else []
            if code := int(pytest.main([target, *options])):
                break
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main(jobs_path: str, out_path: str) -> None:
    """See above."""
    sys.path.pop(0)  # the folder of this script, which is none of a package's
    for module in PRELOAD:
        with contextlib.suppress(ImportError):
            __import__(module)
    ours = {"minihash", "tests", "reference"}
    assert not ours & {name.split(".")[0] for name in sys.modules}
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
                run_job(job, log.fileno())
            running[child] = name, log, time.monotonic()
        child, status = os.wait()
        name, log, started = running.pop(child)
        log.seek(0)
        output = log.read().decode("utf-8", "replace")[-3000:]
        log.close()
        seconds = time.monotonic() - started
        out[name] = {"code": os.waitstatus_to_exitcode(status), "output": output}
        out[name]["seconds"] = round(seconds, 1)
    Path(out_path).write_text(json.dumps(out), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
