"""Many runs on many machines: each run is a task of a Dask scheduler, `dask[distributed]`.

    data     a task for each set, which gives it as it is: what dies with its worker is made again
    runs     a task for each, on the data's; results come home as they finish
    deaths   the scheduler gives the task of a dead worker to another; after `allowed-failures`
             (Dask's own setting) it gives the run up, and its result says why

One process computes one run at a time, whatever threads its worker has: kernels and settings are
those of the process. A sweep that is stopped leaves a scheduler of others the runs that they are
at, whose results nobody asks for; its own cluster ends with it.

Source: distributed.dask.org.
"""

import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from importlib import import_module
from typing import Any

from minihash.experiments.outcome import Loaded, outcome, source
from minihash.experiments.processes import TICK, Data, Result, cores
from minihash.runs.config import Config

LOCAL = "local"
one_at_a_time = threading.Lock()


def in_dask(
    configs: Sequence[Config],
    data: Data,
    stopped: Callable[[], bool] = lambda: False,
    address: str = LOCAL,
    workers: int | None = None,
    imports: Sequence[str] = (),
) -> Iterator[Result]:
    """The result of each run, as they come, from the scheduler at `address`; LOCAL: from one of
    this machine, begun for it, of so many worker processes (None: a core each). It ends early once
    `stopped` says so.

    data: by `source`; it is sent, workers need no files. imports: modules that register hashes.
    Raises ImportError without dask[distributed], OSError if no scheduler answers.
    """
    try:
        from distributed import Client, LocalCluster, as_completed
    except ImportError as error:
        raise ImportError(
            "a scheduler needs dask[distributed]: pip install 'minihash[sweep]'"
        ) from error
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "Sending large graph")  # once for each set, not each run
        where: Any = address
        if address == LOCAL:
            count = min(workers or cores(), cores(), len(configs))
            options = {"n_workers": count, "threads_per_worker": 1, "dashboard_address": None}
            where = stack.enter_context(LocalCluster(**options, processes=True))
        client = stack.enter_context(Client(where))
        sets = {
            key: client.submit(_itself, found, key=f"data-{found[1]}-{k}-{time.time_ns()}")
            for k, (key, found) in enumerate(data.items())
        }
        waiting = {
            client.submit(_run, config, sets[source(config)], tuple(imports), pure=False): config
            for config in configs
        }
        finished = as_completed([*waiting])
        while waiting and not stopped():
            batch = finished.next_batch(block=False)
            for future in batch:
                yield waiting.pop(future), _result(future)
            if not batch:
                time.sleep(TICK)
        client.cancel([*waiting])


def _itself(loaded: Loaded) -> Loaded:
    return loaded


def _run(config: Config, loaded: Loaded, imports: Sequence[str]) -> dict | str:
    """A task: what came of a run."""
    for name in imports:
        import_module(name)
    with one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what there is to say of a run its record says
        try:
            return outcome(config, loaded)
        except Exception as error:
            return f"{type(error).__name__}: {error}"


def _result(future: Any) -> dict | str:
    try:
        return future.result()
    except Exception as error:  # of the scheduler: KilledWorker, mostly
        return f"its workers died: {error}"
