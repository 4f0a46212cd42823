"""The reader of text: characters and bytes, what is unpacked, what is no text."""

import gzip
import lzma
import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minihash.data import read_text


@given(st.binary(min_size=2, max_size=400))
def test_text_is_bytes_of_their_own_vocabulary_nine_tenths_to_train(tmp_path_factory, data):
    assume(not data.startswith((b"\x1f\x8b", b"\xfd7zXZ", b"PK\x03\x04", b"\x93NUMPY")))
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(data)
    text = read_text(path, tokens="bytes")
    assert text.vocabulary == bytes(sorted(set(data)))
    assert text.train.dtype == np.uint8 and len(text.train) == len(data) * 9 // 10
    assert text.decode(np.concatenate([text.train, text.validation])) == data
    assert np.array_equal(text.encode(data)[: len(text.train)], text.train)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=2, max_size=400))
def test_text_is_characters_of_its_own_vocabulary(tmp_path_factory, data):
    assume(not data.startswith("\ufeff"))
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(data.encode("utf-8"))
    text = read_text(path)
    assert text.vocabulary == "".join(sorted(set(data)))
    assert len(text.train) == len(data) * 9 // 10
    whole = np.concatenate([text.train, text.validation])
    assert text.decode(whole) == data and np.array_equal(text.encode(data), whole)


def test_a_vocabulary_of_any_size_is_counted(tmp_path):
    """257 kinds are more than a byte holds; the blocks that are widened meet in between."""
    data = "".join(map(chr, range(0x4E00, 0x4E00 + 257))) * 2 + "x" * 2**20 + "\U0001f600"
    path = tmp_path / "any.txt"
    path.write_text(data, "utf-8")
    text = read_text(path)
    assert text.train.dtype == np.uint16 and len(text.vocabulary) == 259
    assert text.decode(np.concatenate([text.train, text.validation])) == data


def test_text_in_ascii_is_the_same_in_characters_and_in_bytes(tmp_path):
    path = tmp_path / "any.txt"
    path.write_text("to be, or not to be\n" * 9)
    of_characters, of_bytes = read_text(path), read_text(path, tokens="bytes")
    for one, other in zip(of_characters.arrays, of_bytes.arrays, strict=True):
        assert one.dtype == other.dtype and np.array_equal(one, other)


@pytest.mark.parametrize(("end", "pack"), [("gz", gzip.compress), ("xz", lzma.compress)])
def test_a_text_is_unpacked_and_loses_its_byte_order_mark(end, pack, tmp_path):
    path = tmp_path / f"my.txt.{end}"
    path.write_bytes(pack("\ufefffür alle\r\n".encode()))
    text = read_text(path)
    assert text.name == "my" and text.vocabulary == "\n\r aeflrü"
    assert text.decode(np.concatenate([text.train, text.validation])) == "für alle\r\n"


def test_a_gzip_of_more_than_is_allowed_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "zeros.gz"
    path.write_bytes(gzip.compress(b"ab" * 5000))
    monkeypatch.setattr("minihash.data.text.MOST", 10_000)
    assert len(read_text(path).train) == 9000
    monkeypatch.setattr("minihash.data.text.MOST", 9_999)
    path.write_bytes(gzip.compress(bytes(10**8)))
    tracemalloc.start()
    with pytest.raises(ValueError, match="holds more than 9999 bytes: unpack it first"):
        read_text(path)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(ValueError, match="is a pipe, no regular file"):
        read_text(tmp_path / "pipe.txt")


def test_text_refuses_strangers(tmp_path):
    path = tmp_path / "any.txt"
    path.write_bytes(b"abcab")
    text = read_text(path)
    for stranger in "Zü\u20ac\U0001f600":
        with pytest.raises(ValueError, match=f"'{stranger}' does not occur in the training text"):
            text.encode(f"a{stranger}")
    with pytest.raises(TypeError, match="expected a text of characters, got bytes"):
        text.encode(b"ab")
    with pytest.raises(ValueError, match="byte 195 does not occur in the training text"):
        read_text(path, tokens="bytes").encode("aü")
    with pytest.raises(ValueError, match="tokens must be one of characters, bytes, got 'words'"):
        read_text(path, tokens="words")
    for token in (-1, 3):
        with pytest.raises(ValueError, match=r"tokens run from .*: expected 0 to 2"):
            text.decode(np.array([0, token]))
    path.write_text("ü", "utf-8")
    with pytest.raises(ValueError, match="has 1 character: expected 2 at least"):
        read_text(path)
