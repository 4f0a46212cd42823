"""The numbering of the four builders: known identifiers, tables, sizes and salts.

A checkpoint holds tables and hashes; numbers that change would read another network out of it.
"""

import pytest

from minihash.networks import arbnet, cnn, language_model, tied_autoencoder
from minihash.networks.numbering import numbered
from reference.streams import stream


def salt(name, seed=7):
    return stream(seed, name)


def bias(name):
    return stream(salt(name), "bias")


ANSWERS = {
    "arbnet, network": (
        lambda: arbnet((6, 5, 4), "uniform", 0.5, "network", "hashed", 7),
        [("table", 0, 30, 7), ("table", 30, 30, 7), ("table", 35, 30, 7), ("table", 55, 30, 7)],
    ),
    "arbnet, layer": (
        lambda: arbnet((6, 5, 4), "uniform", 0.5, "layer", "hashed", 7),
        [
            ("dense1.weight", 0, 15, salt("dense1")),
            ("dense1.bias", 0, 3, bias("dense1")),
            ("dense2.weight", 0, 10, salt("dense2")),
            ("dense2.bias", 0, 2, bias("dense2")),
        ],
    ),
    "cnn, network": (
        lambda: cnn((1, 4, 4), 3, (2,), (), "uniform", 0.5, "network", "hashed", 7),
        [("table", 0, 24, 7), ("table", 18, 24, 7), ("table", 20, 24, 7), ("table", 44, 24, 7)],
    ),
    "cnn, layer": (
        lambda: cnn((1, 4, 4), 3, (2,), (), "uniform", 0.5, "layer", "hashed", 7),
        [
            ("conv1.weight", 0, 9, salt("conv1")),
            ("conv1.bias", 0, 1, bias("conv1")),
            ("dense2.weight", 0, 12, salt("dense2")),
            ("dense2.bias", 0, 2, bias("dense2")),
        ],
    ),
    "autoencoder": (
        lambda: tied_autoencoder((6, 4, 2), "uniform", 0.5, None, bias=False, seed=7),
        [
            ("dense1.weight", 0, 12, salt("dense1")),
            ("dense2.weight", 0, 4, salt("dense2")),
            ("dense2.weight", 0, 4, salt("dense2")),
            ("dense1.weight", 0, 12, salt("dense1")),
        ],
    ),
    "language model, network": (
        lambda: language_model(9, 2, "gru", False, "uniform", 0.5, "network", 7, 3, layers=2),
        [("gru", 0, 27, 7), ("gru", 18, 27, 7), ("gru", 30, 27, 7), ("gru", 42, 27, 7)],
    ),
    "language model, layer": (
        lambda: language_model(9, 2, "gru", False, "uniform", 0.5, "layer", 7, 3, layers=2),
        [
            ("gru.weight_ih", 0, 9, salt("gru.weight_ih")),
            ("gru.weight_hh", 0, 6, salt("gru.weight_hh")),
            ("gru2.weight_ih", 0, 6, salt("gru2.weight_ih")),
            ("gru2.weight_hh", 0, 6, salt("gru2.weight_hh")),
        ],
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_known_answers(name):
    make, expected = ANSWERS[name]
    network = make()
    weights = getattr(network, "network", network).weights()
    found = [
        (w.table, w.first_id, w.hash.buckets, w.hash.seed)
        for w in weights
        if type(w.hash).__name__ == "Uniform"
    ]
    assert found == expected


def test_salts_are_these_numbers():
    weights = arbnet((6, 5, 4), "uniform", 0.5, "layer", "hashed", 7).weights()
    assert [w.hash.seed for w in weights] == [3269918280, 3235261195, 3206918108, 116945103]


@pytest.mark.parametrize("kind", ["free", "none"])
def test_a_bias_that_is_not_hashed_takes_no_identifiers(kind):
    shapes = {"a": (3, 2), "b": (4, 3)}
    (a, a_bias), (b, b_bias) = numbered(shapes, "uniform", 1.0, "network", kind, 0, {})
    assert (a.first_id, b.first_id, b.hash.buckets) == (0, 6, 18)
    if kind == "none":
        assert a_bias is b_bias is None
    else:
        assert [w.table for w in (a_bias, b_bias)] == ["a.bias", "b.bias"]
        assert [w.hash.buckets for w in (a_bias, b_bias)] == [3, 4]
