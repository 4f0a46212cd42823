"""Deliberate bugs in grids, sweeps and their files, statistics and figures."""

from tests.mutants.mutant import Mutant

LEDGER, SWEEP = "tests/experiments/test_ledger.py", "tests/experiments/test_sweep.py"
GRID, RESULTS = "tests/experiments/test_grid.py", "tests/experiments/test_results.py"
STUDIES, DASK = "tests/experiments/test_studies.py", "tests/experiments/test_dask.py"
STATISTICS, FIGURES = "tests/experiments/test_statistics.py", "tests/experiments/test_figures.py"

EXPERIMENT_MUTANTS = [
    Mutant(
        "experiments/grid.py",
        "        return option in options(HASHES[str(chosen)])",
        "        return True",
        "an option that goes to a hash without it",
        f"{GRID} -k different_combinations",
    ),
    Mutant(
        "experiments/grid.py",
        "found.setdefault(identity(config), config)",
        "found.setdefault(str(len(found)), config)",
        "one run several times in a grid",
        f"{GRID} -k different_combinations",
    ),
    Mutant(
        "experiments/grid.py",
        'WHERE = ("data_dir", "backend", "threads")',
        'WHERE = ("data_dir", "backend")',
        "two runs of one, by the number of threads",
        f"{GRID} -k where_a_run_is_computed",
    ),
    Mutant(
        "experiments/ledger.py",
        "os.ftruncate(self.descriptor, good)",
        "pass",
        "a line that is cut off, and appended to",
        f"{LEDGER} -k cut_at_any_byte",
    ),
    Mutant(
        "experiments/ledger.py",
        "            os.ftruncate(self.descriptor, size)\n",
        "",
        "half a line left by a full disk",
        f"{LEDGER} -k half_a_line",
    ),
    Mutant(
        "experiments/ledger.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        "two sweeps on one file",
        f"{LEDGER} -k one_sweep_at_a_time",
    ),
    Mutant(
        "experiments/ledger.py",
        "            if number == len(lines) and records:\n",
        "            if number == len(lines):\n",
        "a file of something else that is cut",
        f"{LEDGER} -k refused_untouched",
    ),
    Mutant(
        "experiments/processes.py",
        "waiting.appendleft(config)",
        "pass",
        "a run that is lost with its process",
        f"{SWEEP} -k costs_its_run_a_retry",
    ),
    Mutant(
        "experiments/processes.py",
        "if tries[id(config)] < TRIES:",
        "if tries[id(config)] <= TRIES:",
        "a run that is tried once too often",
        f"{SWEEP} -k always_dies",
    ),
    Mutant(
        "experiments/sweep.py",
        "if same and record",
        "if not same and record",
        "runs on other data of one name in one file",
        f"{SWEEP} -k other_data",
    ),
    Mutant(
        "runs/train.py",
        "after_epoch(run, report, data, held), time",
        "after_epoch(run, report, data, None), time",
        "validation that is left out of a sweep",
        f"{SWEEP} -k metrics_of_minihash_train",
    ),
    Mutant(
        "experiments/mapped.py",
        "file.write(bytes(-size % ALIGNED))",
        "pass",
        "arrays that begin where no number may",
        f"{SWEEP} -k mapped_data",
    ),
    Mutant(
        "experiments/results.py",
        "worth = [-math.inf if",
        "worth = [0 if True or",
        "the first epoch for the best",
        f"{RESULTS} -k best_validation_epoch",
    ),
    Mutant(
        "experiments/results.py",
        "values.std(ddof=1)",
        "values.std(ddof=0)",
        "the spread of all seeds for that of a sample",
        f"{RESULTS} -k differ_in_their_seeds",
    ),
    Mutant(
        "experiments/statistics.py",
        "(last - (counts - 1) / 2)",
        "last",
        "ties that have the last of their ranks",
        f"{STATISTICS} -k scipys",
    ),
    Mutant(
        "experiments/statistics.py",
        "np.abs(shuffled @ square)",
        "(shuffled @ square)",
        "a bend that is sought on one side alone",
        f"{STATISTICS} -k least_squares",
    ),
    Mutant(
        "experiments/statistics.py",
        "        y[which] -= y[which].mean()\n",
        "        pass\n",
        "a difference of levels taken for one of slopes",
        f"{STATISTICS} -k two_lines",
    ),
    Mutant(
        "experiments/fig4.py",
        "return -radius(record)",
        "return radius(record)",
        "falling taken for rising",
        f"{FIGURES} -k read_downwards",
    ),
    Mutant(
        "experiments/statistics.py",
        "sums >= abs(d.sum()) * (1 - 1e-9)",
        "sums > abs(d.sum()) * (1 + 1e-9)",
        "the flip of none, left out",
        f"{STATISTICS} -k all_flips",
    ),
    Mutant(
        "experiments/claims.py",
        '({(group(r), r["config"]["seed"]): r for r in runs}',
        '({r["config"]["seed"]: r for r in runs}',
        "pairs of one sparsity alone",
        f"{STUDIES} -k either_way",
    ),
    Mutant(
        "experiments/balance_or_noise.py",
        "1 / (c + 1 / UNEVEN)",
        "UNEVEN",
        "the noise of draws, forgotten",
        f"{STUDIES} -k equal_loads and digits",
    ),
    Mutant(
        "experiments/repeats.py",
        "round(s + 1e-7, 9)",
        "s",
        "no entry more",
        f"{STUDIES} -k counted",
    ),
    Mutant(
        "experiments/bimodal.py",
        " * w.hash.sign(ids)",
        "",
        "an offset without the signs",
        f"{STUDIES} -k offset",
    ),
    Mutant(
        "experiments/results.py",
        'config = Config.from_json(record["config"])  # of today',
        'config = Config(seed=record["config"]["seed"])  # of today',
        "rows that forget what was chosen",
        f"{RESULTS} -k differ_in_their_seeds",
    ),
]
