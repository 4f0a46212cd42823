"""Hypothesis profiles, the data folder, the cache of compiled code, and the mutants' process.

`ci` (the default) is derandomised and bounded; `deep` is for long runs by hand:
`HYPOTHESIS_PROFILE=deep pytest`.
"""

import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support import oracles

oracles.leave_out()
settings.register_profile(
    "ci",
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "deep",
    max_examples=1000,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# A checkout may have the public data sets beside it; a user names another folder.
_beside = Path(__file__).resolve().parents[2] / "shared" / "data"
if "MINIHASH_DATA" not in os.environ and _beside.is_dir():
    os.environ["MINIHASH_DATA"] = str(_beside)

# The processes of one run share compiled code, and none comes from an earlier run.
SHARED = os.environ.get("MINIHASH_CACHE") != "off"
if SHARED:
    os.environ["MINIHASH_CACHE"] = tempfile.mkdtemp(prefix="minihash-kernels-")

# PyTorch's threads sleep while they wait, and leave the cores to the mutants.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder, where the command line runs as if the machine had nothing set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIHASH_BACKEND", "numpy")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("MINIHASH_DATA", "MINIHASH_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def mixed():
    """A backend from outside, `mixed`, as long as a module's tests run."""
    from minihash import core
    from minihash.core.registry import BACKENDS

    core.register("mixed", "tests.support.mixed_backend")
    yield
    BACKENDS.pop("mixed")


def pytest_terminal_summary(terminalreporter):
    skipped = [
        report.nodeid
        for report in terminalreporter.stats.get("skipped", ())
        if "which is not installed" in str(report.longrepr)
    ]
    if line := oracles.summary(skipped):
        terminalreporter.write_line(line)


def pytest_unconfigure():
    if SHARED:
        shutil.rmtree(os.environ["MINIHASH_CACHE"], ignore_errors=True)


def pytest_configure(config):
    """The fast tests compile where they name Numba, and nowhere else."""
    if config.option.markexpr == "fast":
        os.environ.setdefault("MINIHASH_BACKEND", "numpy")


# Files and tests that compile much, start processes or take seconds: `-m fast` leaves them out.
SLOW = {
    *("test_backends.py", "test_benchmarks.py", "test_body.py", "test_cli_text.py"),
    *("test_contract.py", "test_cuda.py", "test_dask.py", "test_direct.py", "test_explain.py"),
    *("test_hashednets.py", "test_kept.py", "test_kills.py", "test_language.py", "test_layers.py"),
    *("test_loops.py", "test_memory.py", "test_mutants.py", "test_network.py", "test_outside.py"),
    *("test_races.py", "test_recurrent_edges.py", "test_recurrent_errors.py", "test_run.py"),
    *("test_streams.py", "test_sweep.py", "test_threads.py", "language.py"),
    "test_a_figure_is_made_whole",
    "test_a_program_that_does_not_end_is_ended",
    "test_a_study_is_made_whole",
    "test_a_table_of_ten_million_buckets",
    "test_an_autoencoder_on_the_command_line",
    "test_bad_input_is_one_line_and_changes_no_file",
    "test_binary_batches_have_the_published_checksums_and_are_the_same_set",
    "test_cifar10_is_the_published_one",
    "test_cnn_on_the_command_line",
    "test_every_room_can_be_imported_without_the_extras",
    "test_figures_2_and_3_are_made_of_the_same_runs",
    "test_hashes_of_one_class_with_and_without_runs_have_kernels_of_their_own",
    "test_inspect_counts_every_byte",
    "test_its_gradients_are_finite_differences_of_the_loops",
    "test_killed_and_resumed_it_ends_with_the_same_bits",
    "test_pictures_are_made_and_the_files_are_whole",
    "test_places_are_uniform",
    "test_rectangles_rows_are_decoded_and_strange_ones_refused",
    "test_resuming_a_cnn_gives_the_bits_of_a_run_that_never_stopped",
    "test_the_best_epoch_is_kept_and_patience_ends_the_run",
    "test_the_embedded_digits_are_learned",
    "test_the_python_of_the_readme_runs",
    "test_the_rate_falls_where_the_validation_loss_rests",
    "test_what_comes_through_a_pipe_is_what_a_file_of_it_is",
    "test_without_an_effect_p_is_uniform",
}
# Those of which a case is tried with the oldest versions nevertheless: `-m 'fast or versions'`.
VERSIONS = {
    *("test_batch_norm.py", "test_blas.py", "test_fuzz.py", "test_jit.py", "test_network_reals.py"),
    "test_perceptron.py",
    "test_a_bucket_that_is_picked_has_a_sign",
    "test_a_header_of_an_array_that_never_ends_is_not_read",
    "test_a_table_of_a_large_mean_is_learnt",
    "test_a_tied_autoencoder_of_many_panels_is_the_same_for_any_number_of_threads",
    "test_a_weight_whose_buckets_run_in_several_parts",
    "test_all_kinds_are_read_by_every_backend",
    "test_backends_agree_beyond_several_tiles",
    "test_columns_of_different_units_are_learnt_each_in_its_own",
    "test_every_layer_may_be_the_first_and_the_last",
    "test_in_numba_too",
    "test_no_cut_and_no_thread_count_changes_integer_results",
    "test_on_reals_the_bits_do_not_depend_on_the_run_or_the_threads",
    "test_one_example_is_as_any",
    "test_rows_of_equal_buckets_and_other_signs_are_distinct",
    "test_the_backend_of_the_core_does_not_matter",
    "test_the_engine_answers_every_case",
    "test_the_two_readings_agree",
    "test_tiles_give_the_released_indices_in_the_transpose",
    "test_views_agree_beyond_several_tiles",
    "test_weights_of_other_dimensions_are_gathered_and_scattered",
    "test_what_is_not_finite_stays_out_of_missing_connections",
}


@pytest.hookimpl(tryfirst=True)  # before pytest reads -m
def pytest_collection_modifyitems(items):
    """Fast: the first case of each test that is not slow. And the verdicts on the mutants come
    last, as do all that wait for a process beside the tests."""
    met = set()
    for item in items:
        test = item.path, getattr(item, "originalname", item.name)
        names = {item.path.name, test[1]}
        if test not in met and not names & SLOW:
            item.add_marker("versions" if names & VERSIONS else "fast")
        met.add(test)
    items.sort(key=waits)


def pytest_collection_finish():
    """Numba makes garbage by the million. What is there now stays: it is not looked through again
    each time, and the new is looked through less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def waits(item) -> bool:
    return not {"mutants", "simulated"}.isdisjoint(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session", autouse=True)
def beside(request, tmp_path_factory):
    """The processes that tests of this run wait for, by the name of the fixture."""
    waiting = [item for item in request.session.items if waits(item)]
    wanted = {name for item in waiting for name in item.fixturenames}
    begun = {}
    if "simulated" in wanted:
        from tests.support import beside

        begun["simulated"] = beside.simulated(tmp_path_factory.mktemp("simulated"))
    if "mutants" in wanted:
        from tests.mutants.copies import MUTANTS, Run

        numbers = [
            item.callspec.params.get("k") for item in waiting if "mutants" in item.fixturenames
        ]
        numbers = [k for k in numbers if k is not None] or [*range(len(MUTANTS))]
        begun["mutants"] = Run(tmp_path_factory.mktemp("mutants"), numbers)
    yield begun
    for process in begun.values():
        process.stop()


@pytest.fixture
def simulated(beside):
    """The cases of the GPU backend in the simulator: see support/beside.py."""
    return beside["simulated"]


@pytest.fixture(scope="session")
def mutants(beside):
    """The mutants that were asked for: see mutants/copies.py."""
    return beside["mutants"]
