"""A sweep on a real Dask cluster of two worker processes, of which one is killed in the middle."""

import os
import signal
from pathlib import Path

import pytest

from minihash.experiments.dask import in_dask
from minihash.experiments.grid import expand
from minihash.experiments.ledger import read
from minihash.experiments.sweep import sweep
from tests.experiments.test_sweep import bits

distributed = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.usefixtures("here"),
    pytest.mark.filterwarnings("ignore"),  # of Dask's own: ports, event loops, sockets
]
GRID = expand({"hash": ["uniform", "identity"], "hidden": [(30,)], "epochs": [4], "seed": range(3)})
WORDS = [
    "sweep",
    "--hash",
    "uniform,identity",
    "--hidden",
    "30",
    "--epochs",
    "4",
    "--seed",
    "0:3",
    "--quiet",
    "--out",
]


@pytest.fixture
def alone(here):
    return bits(sweep(GRID, Path("alone.jsonl")).records)


def test_a_worker_that_is_killed_costs_its_run_a_retry(alone):
    killed = []
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        workers = client.run(os.getpid)

        def schedule(*asked):
            for result in in_dask(*asked, cluster.scheduler_address):
                if not killed:  # a run is home, others are at work
                    busy = [w for w, tasks in client.processing().items() if tasks]
                    killed.append(workers[busy[0]])
                    os.kill(killed[0], signal.SIGKILL)
                yield result

        done = sweep(GRID, Path("runs.jsonl"), schedule)
        assert killed and not Path(f"/proc/{killed[0]}").exists()
    assert (done.new, done.failed) == (6, ())
    assert bits(done.records) == bits(read("runs.jsonl")) == alone
