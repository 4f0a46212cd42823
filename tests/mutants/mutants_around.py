"""Deliberate bugs around the engine: threads that cannot be started, derived state, a run's folder,
a user without a home, predictions, models from Python."""

from tests.mutants.mutant import Mutant

AROUND_MUTANTS = [
    Mutant(
        "core/threads.py",
        "except RuntimeError:  # the system has no thread left",
        "except ZeroDivisionError:  # the system has no thread left",
        "a system without room for a thread stops the computation",
        "tests/core/test_threads.py -k no_thread_can_be_started",
    ),
    Mutant(
        "core/threads.py",
        "    if ThreadpoolController is None:\n        return ()\n",
        "",
        "threadpoolctl demanded",
        "tests/core/test_threads.py -k without_threadpoolctl",
    ),
    Mutant(
        "derived.py",
        "return thing.__dict__.setdefault(self.name, self.compute(thing))",
        "thing.__dict__[self.name] = found = self.compute(thing)\n        return found",
        "two states of one hash, if two threads ask at once",
        "tests/hashes/test_derived.py -k one_and_the_same",
    ),
    Mutant(
        "compile/places.py",
        'os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"',
        'os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")',
        "a home that is asked for before it is needed",
        "tests/data/test_data.py -k no_home",
    ),
    Mutant(
        "data/folders.py",
        "            if not named:\n                raise\n",
        "            raise\n",
        "a cache demanded of who has named a folder",
        "tests/data/test_data.py -k no_home",
    ),
    Mutant(
        "runs/creation.py",
        "made += [folder] if fresh else []",
        "made += [folder]",
        "a user's own folder removed with a run that failed",
        "tests/runs/test_races.py -k removes_nothing",
    ),
    Mutant(
        "runs/folder.py",
        "if (folder / name).is_symlink():",
        "if (folder / name).is_socket():",
        "a symbolic link in a run's folder that is written through",
        "tests/runs/test_races.py -k symbolic_link and metrics",
    ),
    Mutant(
        "runs/predict.py",
        "while batch := list(islice(rows, BATCH)):",
        "while batch := list(rows):",
        "all examples computed at once",
        "tests/cli/test_predict.py -k read_one_by_one",
    ),
    Mutant(
        "runs/predict.py",
        "for name, x in given for k, row in enumerate(x))",
        "for name, x in given for k, row in enumerate(x[:1]))",
        "the first example of each input alone",
        "tests/cli/test_predict.py -k several_inputs",
    ),
    Mutant(
        "runs/examples.py",
        "p[part] = logits",
        "p[: len(logits)] = logits",
        "the batches of an answer written over one another",
        "tests/runs/test_python.py -k many_examples",
    ),
    Mutant(
        "runs/fit.py",
        "replace(model, params=end.params,",
        "replace(model, params=begin.params,",
        "a trained model with the parameters it began with",
        "tests/runs/test_python.py -k bits_of_the_command",
    ),
    Mutant(
        "runs/machine.py",
        'backend or os.environ.get("MINIHASH_BACKEND")',
        "backend",
        "a warning to who has asked for NumPy",
        "tests/runs/test_machine.py -k asked_for_numpy",
    ),
    Mutant(
        "hashes/balance.py",
        "load: np.ndarray = field(repr=False)",
        "load: np.ndarray",
        "a balance that prints its load",
        "tests/runs/test_python.py -k printed_is_short",
    ),
]
