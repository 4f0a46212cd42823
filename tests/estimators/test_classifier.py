"""HashedClassifier: labels, probabilities, weights, and the model that it is."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.model_selection import cross_val_score

import minihash
from minihash.cli import main
from minihash.estimators import HashedClassifier

X, Y = load_iris(return_X_y=True)
SMALL = {"hidden": (8,), "compression": 0.5, "epochs": 5, "random_state": 0}


def tables(net):
    return {name: array.tobytes() for name, array in net.state_.params.items()}


def test_it_is_what_fit_makes_of_the_same_choices():
    choices = {"hash": "dirichlet", "hash_options": {"alpha": 2.0}, "hidden": (9, 7), "lr": 0.01}
    choices |= {"compression": 0.25, "activation": "elu", "norm": "batch", "dropout": 0.1}
    choices |= {"weight_decay": 1e-3, "decay": 1e-3, "epochs": 3, "optimiser": "adam"}
    data = minihash.assemble("iris", X, Y, X, Y)
    model = minihash.fit(data, **choices, scope="layer", seed=4, dtype="float64")
    net = HashedClassifier(**choices, scope="layer", random_state=4).fit(X, Y)
    assert net.network_ == model.network
    assert tables(net) == {name: array.tobytes() for name, array in model.params.items()}
    assert net.predict_proba(X).tobytes() == model.probabilities(X).tobytes()
    assert net.score(X, Y) == model.measure(data)["test_accuracy"]


@pytest.mark.parametrize("names", [["z", "b", "m"], [2.0, -1.0, 7.0], [True, False]])
def test_labels_of_any_kind_in_their_order(names):
    """Each column is of the class in its place: nearly all of its own examples are there."""
    names = np.array(names)
    y = names[np.minimum(Y, len(names) - 1)]
    net = HashedClassifier(hidden=(30,), compression=0.5, random_state=0).fit(X, y)
    assert net.classes_.tolist() == sorted(names.tolist())
    p = net.predict_proba(X)
    assert p.shape == (150, len(names)) and np.allclose(p.sum(axis=1), 1, rtol=1e-12)
    assert (net.predict(X) == net.classes_[p.argmax(axis=1)]).all()
    assert net.predict(X).dtype == names.dtype and net.score(X, y) > 0.9


def test_classes_are_those_of_the_first_part():
    net = HashedClassifier(**SMALL)
    with pytest.raises(ValueError, match="first call of partial_fit needs classes"):
        net.partial_fit(X, Y)
    net.partial_fit(X[:60], Y[:60], classes=[2, 0, 1])  # two classes of three
    assert net.classes_.tolist() == [0, 1, 2] and net.predict_proba(X).shape == (150, 3)
    net.partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="classes are those of the first call"):
        net.partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="previously unseen labels"):
        net.partial_fit(X, Y + 1)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        net.fit(X, Y + 0.5)
    with pytest.raises(TypeError, match=r"[Ss]parse data was passed"):
        from scipy.sparse import csr_array

        net.predict(csr_array(X))


def test_weights_count():
    """A weight of 0 is an example left out, to the bit. All alike, they change nothing. In one
    batch they are repetitions; and what weighs more is learnt."""
    rng = np.random.default_rng(0)
    there = rng.random(150) < 0.7
    plain = HashedClassifier(**SMALL).fit(X[there], Y[there])
    assert tables(HashedClassifier(**SMALL).fit(X, Y, there)) == tables(plain)
    sevens = HashedClassifier(**SMALL).fit(X[there], Y[there], np.full(there.sum(), 8.0))
    assert tables(sevens) == tables(plain) and sevens.loss_curve_ == plain.loss_curve_
    times, one = rng.integers(1, 4, 150), SMALL | {"batch_size": 1000, "epochs": 30}
    often = HashedClassifier(**one).fit(np.repeat(X, times, 0), np.repeat(Y, times))
    weighed = HashedClassifier(**one).fit(X, Y, times)
    np.testing.assert_allclose(weighed.loss_curve_, often.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(weighed.predict_proba(X), often.predict_proba(X), rtol=1e-7)
    net = HashedClassifier(**SMALL | {"epochs": 100, "lr": 0.1})
    x, y = np.zeros((40, 1)), np.arange(40) % 2
    p = net.fit(x, y, 1.0 + 2 * y).predict_proba(x)
    np.testing.assert_allclose(p[0], [0.25, 0.75], atol=0.01)
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        net.fit(X, Y, -np.ones(150))
    with pytest.raises(ValueError, match=r"weights .*zero"):
        net.fit(X, Y, np.zeros(150))


def test_columns_are_brought_to_one_scale():
    scales = 10.0 ** np.array([-6, 0, 3, 9])
    here = HashedClassifier(**SMALL).fit(X, Y).predict_proba(X)
    there = HashedClassifier(**SMALL).fit(X * scales, Y).predict_proba(X * scales)
    np.testing.assert_allclose(here, there, rtol=1e-6)
    rough = HashedClassifier(**SMALL, standardise="none").fit(X, Y).predict_proba(X)
    assert abs(here - rough).max() > 0.01


def test_a_tenth_of_the_weights_will_do():
    x, y = load_breast_cancer(return_X_y=True)
    scores = cross_val_score(HashedClassifier(epochs=5, random_state=0), x, y, cv=3)
    assert scores.mean() > 0.95


def test_its_model_is_a_file_for_every_command(tmp_path, capsys):
    names = np.array(["setosa", "versicolor", "virginica"])
    net = HashedClassifier(**SMALL | {"epochs": 30}).fit(X, names[Y])
    assert net.model_.class_names == tuple(names) and net.model_.epochs == 30
    net.model_.save(tmp_path / "iris.safetensors")
    np.savetxt(tmp_path / "x.csv", X[::15], delimiter=",")
    arguments = [str(tmp_path / "iris.safetensors"), str(tmp_path / "x.csv"), "--csv"]
    assert main(["predict", *arguments]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in net.predict(X[::15]))
    rows = [line.split(",") for line in said.splitlines()[1:]]
    assert [row[2] for row in rows] == net.predict(X[::15]).tolist(), said
    assert main(["inspect", arguments[0], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == names.tolist()
