"""Good files of every kind that a user may bring, and endless damaged ones made of them.

READERS: name -> (make, read). make(folder, rng) yields paths of damaged files, each in place of the
one before, called `fuzzed`; read(path) reads one.
"""

import gzip
import hashlib
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from minihash.data import cifar10, load, read_cifar10, read_idx, read_rectangles, read_text
from minihash.data.npy import read_npy
from minihash.data.pictures import read_picture
from minihash.files import checkpoint
from minihash.files.header import ZEROS, with_digest
from minihash.hashes import Lookup
from minihash.runs import folder as runs
from minihash.runs.kinds import load_model
from minihash.sharing import share, values
from tests.support.mutations import damaged, damaged_json

Rng = np.random.Generator
Make = Callable[[Path, Rng], Iterator[Path]]
SAVED = Path(__file__).parents[1] / "files" / "checkpoints"


def of_bytes(suffix: str, good: Callable[[], list[bytes]]) -> Make:
    """Files of damaged bytes."""

    def make(folder: Path, rng: Rng) -> Iterator[Path]:
        files, path = good(), folder / f"fuzzed{suffix}"
        for content in files:  # first as they are
            path.write_bytes(content)
            yield path
        while True:
            content, other = (files[rng.integers(len(files))] for _ in range(2))
            path.write_bytes(damaged(content, rng, other))
            yield path

    return make


def inside(make: Make, damage: Callable[[Path, Rng], None]) -> Make:
    """Half of the files damaged within what packs them, which is whole."""

    def both(folder: Path, rng: Rng) -> Iterator[Path]:
        for k, path in enumerate(make(folder, rng)):
            if k % 2:
                damage(path, rng)
            yield path

    return both


def saved(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def arrays() -> list[bytes]:
    x, y = np.arange(36.0).reshape(6, 6) / 7, np.arange(6) % 3
    kinds = [x, (7 * x).astype(np.uint8), np.asfortranarray(x), x.astype(">f4"), x > 2]
    files = []
    for a in kinds:
        file = io.BytesIO()
        np.save(file, a)
        files.append(file.getvalue())
    file = io.BytesIO()
    np.lib.format.write_array(file, x, version=(2, 0))
    files += [file.getvalue(), saved(x=x)]
    file = io.BytesIO()
    np.save(file, np.array([{}, []], object))
    return [*files, file.getvalue(), y.tobytes()]


def archives() -> list[bytes]:
    x, y = np.arange(36.0).reshape(6, 6) / 7, np.arange(6) % 3
    keras = {"x_train": x, "y_train": y, "x_test": x, "y_test": y}
    other = {"X": (7 * x).astype(np.uint8), "Y": y, "Xtest": x > 1, "Ytest": y.astype(">i2")}
    file = io.BytesIO()
    np.savez_compressed(file, **keras)
    files = [saved(**keras), file.getvalue(), saved(**other)]
    for method in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        file = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(files[0])) as old,
            zipfile.ZipFile(file, "w", method) as new,
        ):
            for name in old.namelist():
                new.writestr(name, old.read(name))
        files.append(file.getvalue())
    return files


def damage_member(path: Path, rng: Rng) -> None:
    """A zip archive of good members, one of them damaged before it was packed."""
    good = archives() if path.suffix == ".npz" else rectangles()
    with zipfile.ZipFile(io.BytesIO(good[rng.integers(3) % len(good)])) as old:
        members = {name: old.read(name) for name in old.namelist()}
    name = list(members)[rng.integers(len(members))]
    members[name] = damaged(members[name], rng, next(iter(members.values())))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members.items():
            new.writestr(name, content)


def idx() -> list[bytes]:
    images = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 4]) + bytes(range(32))
    doubles = bytes([0, 0, 14, 1, 0, 0, 0, 3]) + np.arange(3, dtype=">f8").tobytes()
    return [images, doubles, gzip.compress(images), gzip.compress(doubles)]


def damage_packed(path: Path, rng: Rng) -> None:
    path.write_bytes(gzip.compress(damaged(idx()[rng.integers(2)], rng)))


def batches() -> list[bytes]:
    """Archives of CIFAR-10, of batches of four examples that the reader takes for published."""
    cifar10.ROWS = 4
    contents = {}
    for part, file in enumerate(cifar10.BINARY):
        contents[file] = bytes([part, *range(256)] + [7 * part] * 2816) * 4
        digest = hashlib.sha256(contents[file]).hexdigest()
        cifar10.BINARY[file] = len(contents[file]), "sha256", digest
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in (contents | {"readme.html": b"<html>"}).items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    plain = file.getvalue()
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("data_batch_1.bin")
        member.pax_headers = {"comment": "x" * 99, "size": "12292", "GNU.sparse.major": "1"}
        member.size = 12292
        archive.addfile(member, io.BytesIO(contents["data_batch_1.bin"]))
    return [plain, gzip.compress(plain), lzma.compress(plain), file.getvalue(), plain[:1024]]


def damage_tar(path: Path, rng: Rng) -> None:
    """Damage in the header of a member whose checksum is right, as that of a hostile file is."""
    plain = bytearray(batches()[(0, 3)[rng.integers(2)]])
    headers = [k for k in range(0, len(plain), 512) if plain[k + 257 : k + 262] == b"ustar"]
    at = headers[rng.integers(len(headers))]
    head = bytearray(damaged(bytes(plain[at : at + 512]), rng)[:512].ljust(512, b"\0"))
    if rng.random() < 0.5:
        size = int(rng.choice([0, 1, 12292, 2**20, 2**33 - 1]))
        head[124:136] = (f"{size:011o}\0" if rng.random() < 0.5 else "7" * 12).encode()
        if rng.random() < 0.3:
            head[124:136] = b"\x80" + int(rng.integers(2**62)).to_bytes(11, "big")
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    plain[at : at + 512] = head
    path.write_bytes(gzip.compress(bytes(plain)) if rng.random() < 0.5 else bytes(plain))


def rectangles() -> list[bytes]:
    rows = ("   0.0000000e+00" * 784 + "   1.0000000e+00\n") * 2
    files = []
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            for part in ("train", "test"):
                archive.writestr(f"rectangles_{part}.amat", rows)
        files.append(file.getvalue())
    return files


def texts() -> list[bytes]:
    words = "Über the lazy dog.\r\n" * 9
    return [words.encode(), words.encode("utf-16"), gzip.compress(words.encode()), b"", b"\0" * 99]


def tables() -> list[bytes]:
    header, rows = "length,width,label\n", "5.1,3,a\n6.25,2,b\n" * 8
    numbers = "1;2;3\n4;5;6\n" * 8
    quoted = 'a\t"b\nc"\ty\n' + '"1"\t2\t3\n' * 9
    files = [header + rows, rows, numbers, quoted, "label\n" + "1\n" * 9, "y,y\n1,2\n"]
    return [text.encode() for text in files] + [(header + rows).encode("utf-16")]


def pictures() -> list[bytes]:
    """One of each format and mode that Pillow writes."""
    from PIL import Image

    Image.init()
    ramp = np.arange(24 * 20 * 4, dtype=np.uint8).reshape(24, 20, 4)
    colour = Image.fromarray(ramp, "RGBA")
    wide = [
        Image.fromarray(ramp[..., 0].astype(np.uint16) * 257),
        Image.fromarray(ramp[..., 0].astype(np.float32)),
    ]
    files = []
    for name in sorted({*Image.SAVE} - {"PDF", "PALM"}):
        for picture in (*(colour.convert(mode) for mode in ("RGBA", "RGB", "L", "P", "1")), *wide):
            file = io.BytesIO()
            try:
                picture.save(file, name)
            except Exception:
                continue  # not of this mode
            files.append(file.getvalue())
    return files


def albums(folder: Path, rng: Rng) -> Iterator[Path]:
    """Folders of five pictures a class, one of them damaged."""
    good = [content for content in pictures() if content[:4] == b"\x89PNG"][:3]
    (folder / "fuzzed").mkdir()
    for name in "ab":
        (folder / "fuzzed" / name).mkdir()
        for k in range(5):
            (folder / "fuzzed" / name / f"{k}.png").write_bytes(good[0])
    while True:
        content = damaged(good[rng.integers(3)], rng, good[0])
        (folder / "fuzzed" / "a" / "0.png").write_bytes(content)
        yield folder / "fuzzed"


def checkpoints() -> list[bytes]:
    return [(SAVED / name / "model.safetensors").read_bytes() for name in ("mlp", "cnn", "lstm")]


def headers(folder: Path, rng: Rng) -> Iterator[Path]:
    """Checkpoints whose header is damaged, and whose digest is right."""
    path, files = folder / "fuzzed.safetensors", checkpoints()
    while True:
        data = files[rng.integers(len(files))]
        length = int.from_bytes(data[:8], "little")
        raw = damaged(data[8 : 8 + length], rng, files[0][8:length])
        head = with_digest(len(raw).to_bytes(8, "little") + raw, ZEROS)
        digest = hashlib.sha256(head + data[8 + length :]).hexdigest()
        path.write_bytes(with_digest(head, digest) + data[8 + length :])
        yield path


def specs(name: str, *saved: Path) -> Make:
    """Checkpoints whose spec is damaged, all else right."""

    def make(folder: Path, rng: Rng) -> Iterator[Path]:
        files = [checkpoint.load(path) for path in saved]
        while True:
            (spec, arrays), (other, _) = (files[rng.integers(len(files))] for _ in range(2))
            for _ in range(rng.integers(1, 3)):
                spec = damaged_json(spec, rng, other)
            spec = spec if isinstance(spec, dict) else {"kind": "model", "model": spec}
            checkpoint.save(folder / name, json.loads(json.dumps(spec)), arrays)
            yield folder / name

    return make


def coded(folder: Path, rng: Rng) -> Iterator[Path]:
    """Models whose hashes are kept in coded form, which is damaged, all else right."""
    path, model = folder / "fuzzed.safetensors", load_model(MODELS[0])
    weights = values(model.network, model.params)
    rounded = {name: Lookup.from_weights(np.round(8 * V) / 8) for name, V in weights.items()}
    network, params = share(model.network, model.params, rounded)
    replace(model, network=network, params=params).save(path)
    spec, arrays = checkpoint.load(path)
    names = [name for name in arrays if name.startswith("spec/")]
    while True:
        yield path
        name = names[rng.integers(len(names))]
        content = damaged(arrays[name].tobytes(), rng, arrays[names[0]].tobytes())
        checkpoint.save(path, spec, arrays | {name: np.frombuffer(content, np.uint8)})


def resumed(path: Path) -> None:
    """The run of a folder, whose file is called resume.safetensors."""
    runs.load(path.parent)


MODELS = [SAVED / name / "model.safetensors" for name in ("mlp", "cnn", "lstm")]
READERS: dict[str, tuple[Make, Callable[[Path], object]]] = {
    "npz": (inside(of_bytes(".npz", archives), damage_member), load),
    "npy": (of_bytes(".npy", arrays), read_npy),
    "idx": (inside(of_bytes("", idx), damage_packed), read_idx),
    "cifar10": (inside(of_bytes(".tar", batches), damage_tar), read_cifar10),
    "amat": (inside(of_bytes(".zip", rectangles), damage_member), read_rectangles),
    "csv": (of_bytes(".csv", tables), load),
    "text": (of_bytes(".txt", texts), read_text),
    "picture": (of_bytes(".png", pictures), lambda path: read_picture(path, 28, 28, colour=True)),
    "album": (albums, load),
    "checkpoint": (of_bytes(".safetensors", checkpoints), load_model),
    "header": (headers, load_model),
    "spec": (specs("fuzzed.safetensors", *MODELS), load_model),
    "coded": (coded, load_model),
    "run": (specs("resume.safetensors", SAVED / "mlp" / "resume.safetensors"), resumed),
}
