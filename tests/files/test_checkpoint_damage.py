"""Nothing but a whole checkpoint is ever loaded, and a refusal is one line that says what to do.

`sealed` makes the digest by the rule in `minihash/checkpoint.py`: hostile files get past it.
"""

import gzip
import hashlib
import json
import os
import pickle
import re

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from minihash.files.checkpoint import load, read_spec, save

ZEROS = "0" * 64
SPEC = {"layers": [{"hash": "Uniform", "seed": 3}], "note": "héllo"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


@pytest.fixture
def whole(path):
    """The bytes of a small checkpoint at `path`."""
    arrays = {
        "table": np.array([0.5, -1.25, 3], np.float32),
        "ids": np.array([[7], [9]], np.uint16),
        "on": np.array(True),
        "none": np.empty((0, 2)),
    }
    save(path, SPEC, arrays)
    return path.read_bytes()


def refusal(path, reader=load):
    """The one line with which `reader` refuses the file at `path`."""
    with pytest.raises(ValueError) as caught:
        reader(path)
    line = str(caught.value)
    assert re.fullmatch(f"cannot load checkpoint {re.escape(repr(str(path)))}: .{{1,300}}", line)
    return line


def test_truncated_at_every_length(path, whole):
    for length in reversed(range(len(whole))):
        os.truncate(path, length)
        refusal(path)
        refusal(path, read_spec)


def test_every_flipped_bit_is_seen(path, whole):
    with open(path, "r+b", buffering=0) as file:
        for place, byte in enumerate(whole):
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([byte ^ 1 << bit]), place)
                refusal(path)
            os.pwrite(file.fileno(), bytes([byte]), place)
    assert load(path)[0] == SPEC


def test_bytes_at_the_end_are_seen(path, whole):
    path.write_bytes(whole + b"\0")
    assert "its arrays should take" in refusal(path)


def test_read_spec_reads_no_array(path, whole):
    path.write_bytes(whole[:-1] + b"\2")
    assert read_spec(path) == SPEC
    assert "SHA-256" in refusal(path)


def test_a_file_that_shrinks_while_it_is_read(path, monkeypatch):
    real = np.empty
    size = save(path, {}, {"table": np.ones(10**5)})  # more than a reader buffers

    def shrinking(*args):
        os.truncate(path, size - 1)
        return real(*args)

    monkeypatch.setattr(np, "empty", shrinking)
    assert "shrank" in refusal(path)


def test_too_little_memory(path, whole, monkeypatch):
    def empty(*args):
        raise MemoryError

    monkeypatch.setattr(np, "empty", empty)
    assert "not enough memory" in refusal(path)


def sealed(header: bytes | dict, body: bytes = b"", length: int | None = None) -> bytes:
    """A file of this header and body whose digest is right, if it has one at all."""
    if isinstance(header, dict):
        header = json.dumps(header).encode()
    head = (len(header) if length is None else length).to_bytes(8, "little") + header
    digest = hashlib.sha256(head + body).hexdigest()
    return head.replace(ZEROS.encode(), digest.encode(), 1) + body


def meta(**changes) -> dict:
    metadata = {"digest": ZEROS, "format": "minihash", "spec": "{}", "version": "1"}
    return {"__metadata__": metadata | changes}


def with_array(body: bytes = bytes(4), name: str = "T", **changes) -> bytes:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    return sealed(meta() | {name: entry | changes}, body)


def with_arrays(size: int, *blocks: tuple[int, int]) -> bytes:
    """int8 arrays at these offsets in `size` bytes."""
    entries = {
        f"T{begin}{end}": {"dtype": "I8", "shape": [end - begin], "data_offsets": [begin, end]}
        for begin, end in blocks
    }
    return sealed(meta() | entries, bytes(size))


HOSTILE = {  # name: (file, what the refusal must say)
    "empty": (b"", "it ends after 0 bytes"),
    "length 2^64 - 1": (b"\xff" * 8 + b"{" * 8, "a header of 18446744073709551615"),
    "no safetensors file": (b'{"epoch": 1, "loss": 2.5}', "it is no safetensors file: give one"),
    "length above the file": (sealed(meta(), length=1000), "a header of 1000"),
    "length above the maximum": (sealed(meta(spec=" " * 2**24)), "a header of 16777"),
    "no JSON": (sealed(b"spam"), "header cannot be read"),
    "list": (sealed(b"[]"), "no JSON object"),
    "number": (sealed(b"1"), "no JSON object"),
    "depth bomb": (sealed(b"[" * 10**6), "nests too deeply"),
    "depth bomb of objects": (sealed(b'{"a":' * 10**6), "nests too deeply"),
    "depth bomb in the spec": (sealed(meta(spec='{"a":' + "[" * 10**6)), "nests too deeply"),
    "number bomb": (sealed(b'{"a":' + b"9" * 10**6 + b"}"), "header cannot be read"),
    "no UTF-8": (sealed(b'{"\xff": 0}'), "utf-8"),
    "NaN": (sealed(b'{"__metadata__": NaN}'), "NaN is no number"),
    "key twice": (sealed(b'{"a": 1, "a": 2}'), "header cannot be read .a key stands twice"),
    "key twice inside": (sealed(b'{"a": {"b": 1, "b": 1}}'), "a key stands twice"),
    "key twice in the spec": (sealed(meta(spec='{"a":1,"a":2}')), "spec cannot be read .a key"),
    "no metadata": (sealed({}), "safetensors file of others"),
    "metadata a list": (sealed({"__metadata__": [1]}), "safetensors file of others"),
    "format of others": (sealed({"__metadata__": {"format": "pt"}}), "safetensors file of others"),
    "version 2": (sealed(meta(version="2")), "version '2', .* reads version '1' only: update"),
    "version a number": (sealed(meta(version=1)), "version 1, this"),
    "version of many lines": (sealed(meta(version="\n" * 999)), "version '"),
    "no digest": (sealed(meta(digest=None)), "no digest"),
    "short digest": (sealed(meta(digest="0")), "no digest"),
    "digest a list": (sealed(meta(digest=[ZEROS])), "no digest"),
    "two digests": (sealed(meta() | {"digest": "1" * 64}), "no digest"),
    "second digest in a name": (sealed(meta(**{'x"digest': "1" * 64})), "no digest"),
    "wrong digest": (sealed(meta(digest="1" * 64)), "does not match its SHA-256"),
    "no spec": (sealed(meta(spec=None)), "no spec"),
    "spec an object": (sealed(meta(spec={})), "no spec"),
    "spec a list": (sealed(meta(spec="[]")), "spec cannot be read"),
    "spec infinite": (sealed(meta(spec='{"alpha": Infinity}')), "Infinity is no number"),
    "array a number": (sealed(meta() | {"T": 3}), "not described"),
    "no dtype": (sealed(meta() | {"T": {"shape": [1], "data_offsets": [0, 4]}}), "not described"),
    "a field too many": (with_array(strides=[4]), "not described"),
    "dtype unknown": (with_array(dtype="BF16", shape=[2]), "dtype 'BF16'"),
    "dtype a list": (with_array(dtype=["F32"]), "dtype"),
    "shape a number": (with_array(shape=1), "shape 1"),
    "shape negative": (with_array(shape=[-1, -1]), "shape .-1, -1"),
    "shape of bools": (with_array(shape=[True]), "shape .True"),
    "shape of floats": (with_array(shape=[1.0]), "shape .1.0"),
    "shape of 33 dimensions": (with_array(shape=[1] * 33), "shape .1, 1"),
    "shape that wraps": (with_array(b"", shape=[2**32] * 2, data_offsets=[0, 0]), "do not fit"),
    "shape huge beside 0": (with_array(b"", shape=[2**62, 9, 0], data_offsets=[0, 0]), "shape .46"),
    "shape above its bytes": (with_array(shape=[2]), "do not fit"),
    "shape below its bytes": (with_array(shape=[], data_offsets=[0, 8]), "do not fit"),
    "offsets backwards": (with_array(b"", data_offsets=[4, 0]), "do not fit"),
    "offsets three": (with_array(data_offsets=[0, 4, 4]), "data_offsets .0, 4, 4"),
    "offsets negative": (with_array(data_offsets=[-4, 0]), "data_offsets .-4, 0"),
    "offsets beyond the end": (with_array(b"abc"), "should take 4 bytes, and 3 are there"),
    "offsets beyond 2^64": (with_array(data_offsets=[2**64, 2**64 + 4]), "data_offsets"),
    "same bytes twice": (with_arrays(4, (0, 4), (0, 3), (3, 4)), "overlaps"),
    "overlap": (with_arrays(6, (0, 4), (2, 6)), "overlaps"),
    "gap": (with_arrays(8, (0, 2), (4, 8)), "gap"),
    "gap in front": (with_arrays(8, (2, 8)), "gap"),
    "bytes left over": (with_arrays(8, (0, 2)), "should take 2 bytes, and 8 are there"),
    "name no Unicode": (with_array(name="\ud800"), "no Unicode text"),
    "name of many lines": (with_array(name="\n" * 999, dtype="\n" * 999), "dtype"),
}  # fmt: skip


def test_what_sealed_makes_loads_if_nothing_is_wrong(path):
    path.write_bytes(with_arrays(8, (0, 2), (2, 8)))
    assert [*load(path)[1]] == ["T02", "T28"]
    path.write_bytes(with_array(b"\0\0\x80\x3f"))
    assert load(path)[1]["T"] == [1.0]


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused(path, case):
    data, reason = HOSTILE[case]
    path.write_bytes(data)
    assert re.search(reason, refusal(path))


@given(st.binary(max_size=200))
@example(b"\x02" + bytes(7) + b"{}")
def test_arbitrary_bytes_are_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("junk") / "net"
    path.write_bytes(data)
    refusal(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {"dtype": st.just("F32") | json_values},
        optional={
            "shape": st.lists(st.integers(0, 3), max_size=3) | json_values,
            "data_offsets": st.lists(st.sampled_from([0, 4, 8, 12]), max_size=3) | json_values,
            "x": json_values,
        },
    ),
    st.integers(0, 16),
)
def test_an_arbitrary_entry_is_loaded_as_it_says_or_refused(tmp_path_factory, entry, size):
    path = tmp_path_factory.mktemp("entry") / "net"
    path.write_bytes(sealed(meta() | {"T": entry}, bytes(size)))
    try:
        array = load(path)[1]["T"]
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert [*array.shape] == entry["shape"] and array.nbytes == size


def test_files_of_other_kinds_are_named_and_not_loaded(path):
    def kind():
        return refusal(path).split(": ", 1)[1]

    tensors = {"weight": torch.zeros(3)}
    torch.save(tensors, path)
    assert kind().startswith("it is a zip archive, as PyTorch")
    torch.save(tensors, path, _use_new_zipfile_serialization=False)
    assert kind().startswith("it is a PyTorch pickle, which could run code")
    path.write_bytes(pickle.dumps({"weight": [0.0]}))
    assert kind().startswith("it is a pickle, which could run code")
    with open(path, "wb") as file:
        np.savez(file, weight=np.zeros(3))
    assert kind().startswith("it is a zip archive, as PyTorch and numpy.savez")
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    assert kind().startswith("it is a NumPy .npy file")
    path.write_bytes(gzip.compress(b"table"))
    assert kind().startswith("it is a gzip file")


@pytest.mark.parametrize("reader", [load, read_spec])
def test_what_is_no_file(tmp_path, reader):
    missing = tmp_path / "a\nb"
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*a\\nb': check the path"):
        reader(missing)
    assert "it is a directory" in refusal(tmp_path, reader)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "no regular file" in refusal(pipe, reader)
    assert "no regular file" in refusal("/dev/zero", reader)
    with pytest.raises(TypeError):
        reader(3)
