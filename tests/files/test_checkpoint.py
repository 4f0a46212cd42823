"""Checkpoints: what is saved is loaded to the bit; what cannot be kept is refused before a write.

The official safetensors package judges the format, in both directions.
"""

import hashlib
import json

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minihash.files.checkpoint import load, read_spec, save

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
ZEROS = "0" * 64
SPEC = {"layers": [{"hash": "Uniform", "seed": 3}], "note": "héllo"}


def small_arrays():
    rng = np.random.default_rng(5)
    return {
        "table": rng.standard_normal(3).astype(np.float32),
        "ids": rng.integers(0, 99, (2, 1), dtype=np.uint16),
        "on": np.array(True),
        "none": np.empty((0, 2)),
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


@pytest.fixture
def whole(path):
    """The bytes of a small checkpoint at `path`."""
    save(path, SPEC, small_arrays())
    return path.read_bytes()


def assert_same_bits(got, want):
    """Equal shape, kind and bits, whatever the byte order of `want`; and `got` is its own."""
    assert got.shape == want.shape
    assert got.dtype == want.dtype.newbyteorder("=")
    assert got.tobytes() == want.astype(got.dtype).tobytes()
    assert got.dtype.isnative
    assert got.flags.c_contiguous and got.flags.writeable and got.flags.owndata


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
views = st.sampled_from(
    [lambda a: a, lambda a: a.T, lambda a: a[::2] if a.ndim else a, lambda a: a[..., ::-1]]
)


@st.composite
def stored_arrays(draw):
    dtype = np.dtype(draw(st.sampled_from(DTYPES))).newbyteorder(draw(st.sampled_from("<>")))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    array = draw(hnp.arrays(dtype, shape))
    return draw(views)(array) if array.ndim else array


names = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda s: s != "__metadata__")


@given(
    spec=st.dictionaries(st.text(), json_values, max_size=4),
    arrays=st.dictionaries(names, stored_arrays(), max_size=4),
)
def test_round_trip(tmp_path_factory, spec, arrays):
    path = tmp_path_factory.mktemp("trip") / "net"
    before = {name: array.tobytes() for name, array in arrays.items()}
    assert save(path, spec, arrays) == path.stat().st_size
    got_spec, got = load(path)
    assert got_spec == spec == read_spec(path)
    assert list(got) == sorted(arrays)
    for name, array in arrays.items():
        assert_same_bits(got[name], array)
        assert array.tobytes() == before[name]

    official = safetensors.numpy.load(path.read_bytes())
    assert official.keys() == arrays.keys()
    for name, array in official.items():
        assert array.shape == got[name].shape and array.dtype == got[name].dtype
        assert array.tobytes() == got[name].tobytes()


def test_the_official_reader_shows_the_spec(path, whole):
    with safetensors.safe_open(path, "numpy") as file:
        got = file.metadata()
    assert (got["format"], got["version"]) == ("minihash", "1")
    assert json.loads(got["spec"]) == SPEC
    unsigned = whole.replace(got["digest"].encode(), ZEROS.encode())
    assert hashlib.sha256(unsigned).hexdigest() == got["digest"]


def test_a_file_of_the_official_writer_loads(path):
    arrays = small_arrays()
    metadata = {"digest": ZEROS, "format": "minihash", "spec": json.dumps(SPEC), "version": "1"}
    data = safetensors.numpy.save(arrays, metadata)
    path.write_bytes(data.replace(ZEROS.encode(), hashlib.sha256(data).hexdigest().encode()))
    spec, got = load(path)
    assert spec == SPEC
    for name, array in arrays.items():
        assert_same_bits(got[name], array)


def test_equal_content_gives_equal_files(path, whole):
    arrays = small_arrays()
    save(path, dict(reversed(SPEC.items())), dict(reversed(arrays.items())))
    assert path.read_bytes() == whole


@given(st.dictionaries(names, stored_arrays(), min_size=1, max_size=5))
def test_arrays_are_aligned_in_the_file(tmp_path_factory, arrays):
    path = tmp_path_factory.mktemp("aligned") / "net"
    save(path, {}, arrays)
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    for name, array in arrays.items():
        assert (start + header[name]["data_offsets"][0]) % array.itemsize == 0


def test_a_checkpoint_costs_hardly_more_than_its_arrays(path):
    table = np.zeros(19_880, np.float32)
    assert table.nbytes < save(path, SPEC, {"table": table}) < table.nbytes + 1000


def test_names_and_specs_may_imitate_the_digest(path):
    imitation = f'"digest":"{ZEROS}"'
    spec = {imitation: imitation, "digest": ZEROS}
    arrays = {imitation: np.arange(2), "digest": np.arange(3), 'x"digest': np.arange(4)}
    save(path, spec, arrays)
    got_spec, got = load(path)
    assert got_spec == spec
    for name, array in arrays.items():
        assert_same_bits(got[name], array)


def test_tuples_come_back_as_lists(path):
    save(path, {"hidden": (200, 200)}, {})
    assert load(path) == ({"hidden": [200, 200]}, {})


def test_bools_load_as_zero_or_one(path):
    odd = np.array([0, 1, 2, 255], np.uint8).view(bool)
    save(path, {}, {"on": odd})
    assert load(path)[1]["on"].view(np.uint8).tolist() == [0, 1, 1, 1]


endless: dict = {}
endless["self"] = endless
deep: list = []
for _ in range(100_000):
    deep = [deep]


@pytest.mark.parametrize(
    "spec",
    [
        None,
        [1],
        "{}",
        {1: "a"},
        {"a": {None: 1}},
        {"a": [{2: 3}]},
        {"a": float("nan")},
        {"alpha": float("inf")},
        {"a": np.int64(3)},
        {"a": {1, 2}},
        {"a": b"bytes"},
        {"a": 10**5000},
        {"a": endless},
        {"a": deep},
        {"a": "x" * 2**24},
    ],
    ids=lambda spec: str(type(spec)),
)
def test_specs_that_json_cannot_hold_are_refused(path, whole, spec):
    with pytest.raises((TypeError, ValueError), match=r"spec .*: ") as caught:
        save(path, spec, {})
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "arrays",
    [
        None,
        [np.zeros(2)],
        {"a": [1.0, 2.0]},
        {"a": 1.0},
        {"a": np.float64(1)},
        {"a": None},
        {"a": np.array([None])},
        {"a": np.zeros(2, complex)},
        {"a": np.zeros(2, np.complex64)},
        {"a": np.array(["text"])},
        {"a": np.array([b"text"])},
        {"a": np.zeros(2, "M8[s]")},
        {"a": np.zeros(2, [("x", "f4")])},
        {"a": np.ma.masked_array([1.0, 2.0], [True, False])},
        {"__metadata__": np.zeros(2)},
        {3: np.zeros(2)},
        {"\ud800": np.zeros(2)},
    ],
    ids=repr,
)
def test_arrays_that_a_checkpoint_cannot_hold_are_refused(path, whole, arrays):
    with pytest.raises((TypeError, ValueError), match=": ") as caught:
        save(path, {}, arrays)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == whole


@pytest.mark.skipif(np.__version__ < "2", reason="NumPy 1 has no more dimensions either")
def test_more_dimensions_than_every_numpy_has_are_refused(path, whole):
    with pytest.raises(ValueError, match="33 dimensions"):
        save(path, {}, {"a": np.zeros((1,) * 33)})
    assert path.read_bytes() == whole


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is float64 here")
def test_long_doubles_are_refused(path):
    with pytest.raises(TypeError, match="got dtype"):
        save(path, {}, {"a": np.zeros(2, np.longdouble)})
