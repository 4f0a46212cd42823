"""The contract of scikit-learn: all of its own checks, and what its users rely on beside them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import check_estimator

from minihash import core
from minihash.estimators import HashedClassifier, HashedRegressor

ROOT = Path(__file__).resolve().parents[2]
X, Y = load_iris(return_X_y=True)
SMALL = {"hidden": (8,), "compression": 0.5, "epochs": 3, "random_state": 0}
both = pytest.mark.parametrize("kind", [HashedClassifier, HashedRegressor])


def tables(net):
    return {name: array.tobytes() for name, array in net.state_.params.items()}


@both
def test_scikit_learns_own_checks(kind):
    """All of them, none of which is expected to fail. What is not installed, it leaves out."""
    found = check_estimator(kind(epochs=10), on_skip=None, on_fail=None)
    wrong = {x["check_name"]: x["exception"] for x in found if x["status"] != "passed"}
    left = {name for name, why in wrong.items() if "pandas" in str(why) or "ARRAY_API" in str(why)}
    assert wrong.keys() == left and len(found) > 50 + len(left)


@both
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hash": "unform"}, "hash must be one of .*, got 'unform'"),
        ({"compression": 2.0}, r"compression must lie in \(0, 1\], got 2.0"),
        ({"hash": "identity", "compression": 0.5}, "the identity hash stores every weight"),
        ({"hash": "dirichlet"}, "the dirichlet hash needs alpha"),
        ({"hash_options": {"radius": 1}}, "the uniform hash has no option radius"),
        ({"hidden": (0,)}, "each size must lie in 1 .. .*, got 0"),
        ({"hidden": "many"}, "each size must be an integer, got 'many'"),
        ({"activation": "swish"}, "activation must be one of .*, got 'swish'"),
        ({"norm": "layer"}, 'norm must be "batch" or "none"'),
        ({"dropout": 1.5}, "got 1.5"),
        ({"optimiser": "lbfgs"}, "optimiser must be one of .*, got 'lbfgs'"),
        ({"lr": -1.0}, "rate of Training"),
        ({"decay": -1.0}, "decay of Decay"),
        ({"weight_decay": -1.0}, "got -1"),
        ({"epochs": 0}, "epochs must be a positive integer, got 0"),
        ({"batch_size": 1.5}, "batch_size must be a positive integer, got 1.5"),
        ({"standardise": "rows"}, "standardise must be one of .*, got 'rows'"),
        ({"random_state": "seven"}, "'seven' cannot be used to seed"),
        ({"random_state": -1}, "Seed must be between 0"),
    ],
)
def test_parameters_are_refused_before_the_first_step(kind, given, message):
    net = kind(**given)
    with pytest.raises(InvalidParameterError, match=message) as caught:
        net.fit(X, Y)
    assert str(caught.value).startswith(kind.__name__) and not hasattr(net, "state_")


@both
def test_a_number_of_numpy_is_a_number(kind):
    grid = {"epochs": np.arange(2, 4), "compression": np.array([0.25, 0.5]), "hidden": [5]}
    given = {name: values[0] for name, values in grid.items()} | {"random_state": np.int64(3)}
    plain = {"epochs": 2, "compression": 0.25, "hidden": (5,), "random_state": 3}
    assert tables(kind(**given).fit(X, Y)) == tables(kind(**plain).fit(X, Y))
    with pytest.raises(NotFittedError):
        _ = kind(**given).n_iter_


@both
def test_what_is_random_follows_from_random_state(kind):
    def net(random_state):
        return tables(kind(**SMALL | {"random_state": random_state}).fit(X, Y))

    assert net(5) == net(5) != net(6)
    assert net(np.random.RandomState(1)) == net(np.random.RandomState(1)) != net(1)
    before = np.random.get_state()[1].copy()
    assert net(5) == net(5) and (np.random.get_state()[1] == before).all()
    np.random.seed(7)
    first, second = net(None), net(None)
    np.random.seed(7)
    assert first == net(None) != second
    net = kind(**SMALL).fit(X, Y)
    assert tables(clone(net).fit(X, Y)) == tables(net)


@both
def test_the_dtype_is_that_of_numpy_for_x_and_float32(kind):
    for dtype, expected in (("f8", "f8"), ("f4", "f4"), ("u1", "f4"), ("i8", "f8"), ("f2", "f8")):
        net = kind(**SMALL).fit((10 * X).round().astype(dtype), Y)
        assert {array.dtype for array in net.state_.params.values()} == {np.dtype(expected)}
        assert net.predict(X).dtype == (Y.dtype if kind is HashedClassifier else np.float64)


@both
def test_parts_and_warm_starts_go_on_to_the_bit(kind):
    whole = kind(**SMALL | {"epochs": 4}).fit(X, Y)
    warm = kind(**SMALL | {"epochs": 2, "warm_start": True}).fit(X, Y)
    assert tables(warm) != tables(whole) and warm.n_iter_ == 2
    warm.fit(X, Y)
    assert tables(warm) == tables(whole) and warm.loss_curve_ == whole.loss_curve_
    parts = kind(**SMALL)
    more = {"classes": [0, 1, 2]} if kind is HashedClassifier else {}
    for k in range(4):
        parts.partial_fit(X, Y, **more)
        assert parts.n_iter_ == k + 1 == len(parts.loss_curve_)
    assert tables(parts) == tables(whole)
    assert tables(parts.fit(X, Y)) == tables(kind(**SMALL).fit(X, Y))  # a fit begins anew


@both
def test_what_would_be_another_network_cannot_go_on(kind):
    net = kind(**SMALL | {"warm_start": True, "random_state": None}).fit(X, Y)
    net.set_params(epochs=1, lr=0.01, optimiser="sgd").fit(X, Y)
    assert net.n_iter_ == 4
    with pytest.raises(InvalidParameterError, match="goes on with the network that it has"):
        net.set_params(hidden=(9,)).fit(X, Y)
    with pytest.raises(ValueError, match=r"X has 3 features, but .* is expecting 4"):
        net.set_params(hidden=(8,)).partial_fit(X[:, :3], Y)


@both
def test_joblib_dumps_tables_and_little_else(kind, tmp_path):
    """And what goes on from a file goes on with the same bits."""
    import joblib  # comes with scikit-learn

    net = kind(hidden=(300,), epochs=1, random_state=0).fit(np.tile(X, 50), Y)
    joblib.dump(net, tmp_path / "net")
    held = sum(array.nbytes for array in net.state_.params.values())
    assert held < 52_000 and (tmp_path / "net").stat().st_size < held + 20_000
    parts = kind(**SMALL)
    more = {"classes": [0, 1, 2]} if kind is HashedClassifier else {}
    parts.partial_fit(X, Y, **more)
    joblib.dump(parts, tmp_path / "parts")
    again = joblib.load(tmp_path / "parts")
    assert (again.predict(X) == parts.predict(X)).all()
    assert tables(again.partial_fit(X, Y)) == tables(parts.partial_fit(X, Y))


@both
def test_a_grid_search_of_two_workers_gives_the_bits_of_one(kind):
    grid = {"net__compression": [0.25, 0.5], "net__hash": ["uniform", "balanced"]}
    found = []
    for n_jobs in (1, 2):
        pipe = make_pipeline(FunctionTransformer(), kind(**SMALL))
        pipe.steps[1] = "net", pipe.steps[1][1]
        found.append(GridSearchCV(pipe, grid, cv=2, n_jobs=n_jobs).fit(X, Y))
    one, two = found
    assert (one.cv_results_["mean_test_score"] == two.cv_results_["mean_test_score"]).all()
    assert one.best_params_ == two.best_params_
    assert tables(one.best_estimator_["net"]) == tables(two.best_estimator_["net"])
    alone = clone(one.best_estimator_["net"]).fit(X, Y)
    assert (two.predict(X) == alone.predict(X)).all()


@both
def test_nothing_is_said_unless_asked_for_and_nothing_global_changes(kind, capsys):
    before = core.get_threads(), core.get_backend(), dict(os.environ), np.geterr()
    kind(**SMALL).fit(X, Y)
    assert not any(capsys.readouterr())
    net = kind(**SMALL, verbose=True).fit(X, Y)
    said = capsys.readouterr().out.splitlines()
    assert said == [f"epoch {k}, loss {x:.6g}" for k, x in enumerate(net.loss_curve_, 1)]
    assert before == (core.get_threads(), core.get_backend(), dict(os.environ), np.geterr())


@both
def test_a_training_that_diverges_is_told(kind):
    with pytest.warns(ConvergenceWarning, match="has diverged, try a smaller lr"):
        kind(**SMALL | {"optimiser": "sgd", "lr": 1e30}).fit(X, Y)


def test_without_scikit_learn_it_says_what_to_install():
    code = "import sys; sys.modules['sklearn'] = None; import minihash.estimators"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    last = process.stderr.strip().splitlines()[-1]
    assert process.returncode == 1
    assert last.endswith("needs scikit-learn 1.6 or newer: pip install 'minihash[sklearn]'")
