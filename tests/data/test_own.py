"""One's own data by their path: tables, folders of pictures, IDX files under their common names."""

import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from minihash.cli import main
from minihash.data import load, read_csv
from minihash.data.idx import PARTS
from minihash.data.own import own_path
from minihash.data.split import fifth
from tests.data.test_data_formats import idx_bytes

Image = pytest.importorskip("PIL.Image", reason="needs Pillow, the extra `image`")

DIGITS = Path(__file__).parents[2] / "minihash" / "data" / "digits"

# Tables

FLOWERS = "length,width,species\n" + "5.1,3.5,setosa\n6.3,2.8,other\n4.75,1e1,setosa\n" * 5


def table(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "flowers.csv"
    path.write_bytes(text.encode(encoding))
    return path


def rows_of(data):
    """All rows with the names of their labels, in no order."""
    x = np.concatenate([data.x_train, data.x_test]).tolist()
    y = [data.class_names[k] for k in (*data.y_train, *data.y_test)]
    return sorted(zip(map(tuple, x), y, strict=True))


ROWS = sorted([((5.1, 3.5), "setosa"), ((6.3, 2.8), "other"), ((4.75, 10.0), "setosa")] * 5)
SAME = {
    "as it is": (FLOWERS, None),
    "by name": (FLOWERS, "species"),
    "by number": (FLOWERS, "3"),
    "from the end": (FLOWERS, "-1"),
    "no header": (FLOWERS.partition("\n")[2], None),
    "no header, by number": (FLOWERS.partition("\n")[2], "3"),
    "semicolons": (FLOWERS.replace(",", ";"), None),
    "tabs": (FLOWERS.replace(",", "\t"), "species"),
    "quoted, with spaces": (FLOWERS.replace("setosa", '" setosa"'), None),
    "lines of Windows": (FLOWERS.replace("\n", "\r\n"), None),
    "a mark at the beginning": ("\ufeff" + FLOWERS, None),
    "blank lines": (FLOWERS.replace("\n", "\n\n"), None),
    "a name that is a label's": (FLOWERS.replace("species", "Class"), None),
    "no line at the end": (FLOWERS.rstrip("\n"), None),
}


@pytest.mark.parametrize("case", SAME)
def test_a_table_is_read_however_it_is_written(tmp_path, case):
    text, column = SAME[case]
    path = table(tmp_path, text)
    data = load(str(path) if column is None else f"{path}:{column}")
    assert rows_of(data) == ROWS
    assert (data.name, data.class_names, data.shape) == ("flowers", ("other", "setosa"), (2,))
    assert len(data.x_test) == 3 and sorted(data.y_test.tolist()) == [0, 1, 1]
    assert data.x_train.dtype == np.float64


def test_labels_that_are_numbers_and_a_header_of_numbers(tmp_path):
    """As MNIST is published in this form: a label, and a column a pixel, called by its number."""
    pixels = np.arange(600).reshape(60, 10) % 256
    lines = [",".join(map(str, (12 - k % 2 * 3, *row))) for k, row in enumerate(pixels)]
    for header in ("label," + ",".join(map(str, range(10))) + "\n", ""):
        path = table(tmp_path, header + "\n".join(lines))
        data = read_csv(path, None if header else "1")
        assert data.class_names == ("9", "12") and data.x_train.dtype == np.uint8
        assert len(data.x_train) == 48 and data.features == 10
        kept = np.concatenate([data.x_train, data.x_test]).tolist()
        assert sorted(kept) == sorted(pixels.tolist())


REFUSED = {
    "": "has no rows",
    "\n\n": "has no rows",
    "a,b,label\n": "a header and no rows",
    "1,2,3\n4,5,6\n": r"does not tell which of its 3 columns has the labels: .*flowers\.csv:3",
    "a,b,c\n1,2,3\n": r"does not tell which of its 3 columns .*, as .*flowers\.csv:c",
    "a,b,c\n1,x,y\n": "does not tell which of its 3 columns",
    "label,class\n1,2\n": "does not tell which of its 2 columns",
    "a,label\n1,2\n3\n": "line 3 has 1 fields, those before have 2",
    "a,label\n1,2\n3,4,5\n": "line 3 has 3 fields, those before have 2",
    "a,label\n1,2\n,3\n": r"line 3 has nothing in column 1 \(a\): expected a number",
    "a,label\n1,2\nred,3\n": r"line 3 has 'red' in column 1 \(a\): expected a number",
    "a,label\n" + "nan,2\n" * 9: "not finite",
    "a,label\n" + "1,2\n" * 4: "has no class of five examples",
    "a,label\n" + f"1,{'x' * 101}\n": "line 2 has a label of 101 characters",
    'a,label\n"1,2\n': r"is no readable \.csv file",
    "label\n" + "1\n" * 9: r"expected numbers, at least one example and one feature",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_table_is_refused_in_one_line(tmp_path, text):
    path = table(tmp_path, text)
    with pytest.raises(ValueError, match=REFUSED[text]) as caught:
        load(str(path))
    assert "\n" not in str(caught.value) and "flowers" in str(caught.value)


def test_a_column_is_named_beyond_the_labels_as_before(tmp_path):
    path = table(tmp_path, "a,label,b\n" + "1,2,3\n" * 9 + "1,2,red\n")
    with pytest.raises(ValueError, match=r"line 11 has 'red' in column 3 \(b\): expected a number"):
        load(str(path))


@pytest.mark.parametrize("column", ["colour", "0", "4", "-4", ""])
def test_a_column_that_is_not_there_is_refused(tmp_path, column):
    with pytest.raises(ValueError, match=r"has not one column .*: expected one of length, width"):
        read_csv(table(tmp_path, FLOWERS), column)


def test_a_table_in_another_encoding_is_refused(tmp_path):
    for encoding in ("utf-16", "latin-1"):
        path = table(tmp_path, FLOWERS.replace("setosa", "Küchenschelle"), encoding)
        with pytest.raises(ValueError, match=r"flowers\.csv is no readable .csv file .*UTF-8"):
            load(str(path))


def test_a_fifth_of_each_class_is_held_out():
    rng = np.random.default_rng(5)
    labels = rng.permutation(np.repeat(list("abcd"), (50, 14, 5, 4)))
    held = fifth(labels, "mine")
    counts = {name: int(held[labels == name].sum()) for name in "abcd"}
    assert counts == {"a": 10, "b": 2, "c": 1, "d": 0}
    assert np.array_equal(held, fifth(labels, "mine"))
    assert held.nonzero()[0].max() > 60  # not those at the beginning
    with pytest.raises(ValueError, match="mine has no class of five"):
        fifth(labels[labels == "d"], "mine")


# Folders of pictures


def album(folder, sizes=((6, 4),), mode="L", classes=("cats", "dogs"), count=5):
    """Pictures of (rows, columns), in turn: in each class pixels of a value of its own."""
    for c, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for k in range(count):
            rows, columns = sizes[(c + k) % len(sizes)]
            picture = Image.new("L", (columns, rows), 40 * c + k).convert(mode)
            picture.save(folder / name / f"{k}.png")
    return folder


@pytest.mark.parametrize(("mode", "shape"), [("L", (6, 4)), ("RGB", (3, 6, 4)), ("P", (3, 6, 4))])
def test_a_folder_of_pictures_has_a_class_for_each_subfolder(tmp_path, mode, shape):
    folder = album(tmp_path / "pets", mode=mode)
    (folder / "cats" / "notes.txt").write_text("of cats")
    (folder / ".cache").mkdir()
    pets = load(str(folder))
    assert (pets.name, pets.class_names, pets.shape) == ("pets", ("cats", "dogs"), shape)
    assert pets.x_train.dtype == np.uint8 and len(pets.x_train) == 8 and len(pets.x_test) == 2
    assert pets.units.white == 255
    values = [(int(x[0]), int(y)) for x, y in zip(pets.x_train, pets.y_train, strict=True)]
    values += [(int(x[0]), int(y)) for x, y in zip(pets.x_test, pets.y_test, strict=True)]
    assert sorted(values) == sorted((40 * c + k, c) for c in range(2) for k in range(5))


@pytest.mark.parametrize("name", ["test", "val", "valid", "validation"])
def test_a_folder_that_names_its_test_pictures(tmp_path, name):
    album(tmp_path / "pets" / "train")
    album(tmp_path / "pets" / name, count=2, classes=("dogs",))
    pets = load(tmp_path / "pets")
    assert len(pets.x_train) == 10 and pets.y_test.tolist() == [1, 1]
    album(tmp_path / "pets" / name / "more", classes=())
    (tmp_path / "pets" / name / "birds").mkdir(parents=True)
    shutil.copy(tmp_path / "pets" / "train" / "cats" / "0.png", tmp_path / "pets" / name / "birds")
    with pytest.raises(ValueError, match="birds is a class that has no training pictures"):
        load(tmp_path / "pets")


def test_pictures_of_several_sizes_need_one(tmp_path):
    folder = album(tmp_path / "pets", sizes=((6, 4), (8, 8)))
    with pytest.raises(ValueError, match=r"of 6x4 and .* of 8x8: name one .*pets:32x32"):
        load(str(folder))
    assert load(f"{folder}:5x7").shape == (5, 7)


def test_a_picture_that_a_camera_held_upright_is_turned(tmp_path):
    folder = album(tmp_path / "pets")
    turned = Image.new("L", (6, 4), 9)
    turned.getexif()[0x0112] = 6
    turned.save(folder / "cats" / "0.png", exif=turned.getexif())
    assert load(folder).shape == (6, 4)


def test_folders_that_hold_no_pictures_or_damaged_ones_are_refused(tmp_path):
    folder = album(tmp_path / "pets")
    data = (folder / "cats" / "0.png").read_bytes()
    (folder / "cats" / "0.png").write_bytes(data[:45])
    with pytest.raises(ValueError, match=r"0\.png is no image that Pillow can read"):
        load(folder)
    (folder / "cats" / "0.png").write_bytes(data)
    (folder / "birds").mkdir()
    with pytest.raises(FileNotFoundError, match=r"birds holds no pictures"):
        load(folder)
    (folder / "birds" / "deeper").mkdir()
    with pytest.raises(ValueError, match=r"deeper is a folder in that of a class"):
        load(folder)
    Image.fromarray(np.full((6, 4), 1000, np.uint16)).save(folder / "cats" / "9.png")
    shutil.rmtree(folder / "birds")
    with pytest.raises(ValueError, match=r"9\.png has another depth than"):
        load(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty has no data: expected train-images"):
        load(tmp_path / "empty")


def test_pictures_of_sixteen_bits_stay_so(tmp_path):
    folder = album(tmp_path / "pets")
    for k, path in enumerate(folder.rglob("*.png")):
        Image.fromarray(np.full((6, 4), 257 * k, np.uint16)).save(path)
    pets = load(folder)
    assert pets.x_train.dtype == np.uint16 and pets.units.white == 65535


# IDX files

LAYOUTS = {
    "plain": "{part}",
    "dotted": "{dotted}",
    "dotted, packed": "{dotted}.gz",
    "torchvision": "MNIST/raw/{part}",
    "torchvision's own folder": "raw/{part}",
    "Kaggle": "{part}/{part}",
    "Kaggle, dotted": "{part}/{dotted}",
    "Kaggle, in a folder": "{dotted}/{part}",
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("named", [True, False])
def test_idx_files_are_found_under_their_common_names(tmp_path, layout, named):
    x, y = np.arange(48, dtype=np.uint8).reshape(3, 4, 4), np.array([3, 0, 9], np.uint8)
    for part in PARTS:
        name = LAYOUTS[layout].format(part=part, dotted=part.replace("-idx", ".idx"))
        path = tmp_path / "mnist" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = idx_bytes(8, x if "images" in part else y)
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    data = load("mnist", data_dir=tmp_path) if named else load(tmp_path / "mnist")
    assert np.array_equal(data.x_test, x.reshape(3, 16))
    assert [data.class_names[k] for k in data.y_train] == ["3", "0", "9"]
    assert data.name == "mnist"
    path.unlink()
    with pytest.raises(FileNotFoundError, match=f"mnist.* lacks {PARTS[3]}"):
        load("mnist", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        (
            "mnist",
            r"train-images-idx3-ubyte \(or train-images\.idx3-ubyte, either with .gz or not\)",
        ),
        ("cifar10", r"cifar-10-batches-py, .*cifar-10-python\.tar\.gz"),
        ("rectangles", "rectangles.zip is"),
        ("convex", "convex.npz is"),
    ],
)
def test_what_was_sought_and_where_is_said(tmp_path, name, files):
    with pytest.raises(FileNotFoundError, match=f"data set {name} was not found: {files}") as error:
        load(name, data_dir=tmp_path)
    assert str(tmp_path / name) in str(error.value) or str(tmp_path) in str(error.value)


# The command line


@pytest.mark.parametrize("what", ["flowers.csv", "flowers.csv:species", "pets", "pets:6x4"])
def test_a_network_is_trained_on_ones_own_data_and_tested(here, capsys, what):
    table(here, FLOWERS)
    album(here / "pets")
    train = ["train", "--epochs", "1", "--hidden", "5", "--quiet", "--hash", "identity"]
    assert main([*train, "--dataset", what]) == 0
    (run,) = os.listdir("runs")
    assert run == f"{own_path(what).stem}-001"
    for command in (["eval", f"runs/{run}"], ["predict", f"runs/{run}", "0"]):
        assert main(command) == 0
        assert "flowers" in (shown := capsys.readouterr().out) or "pets" in shown
    shutil.rmtree("pets")
    os.unlink("flowers.csv")
    assert main(["eval", f"runs/{run}"]) == 2
    assert f"trained on {what}, which is not there" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["pipe.csv", "pipe.npz", "pipe.npy", "pipe.txt", "pipe.png"])
def test_a_pipe_is_refused_and_not_waited_for(here, capsys, name):
    train = ["train", "--epochs", "1", "--hidden", "5", "--quiet", "--out", "run"]
    assert main(train) == 0
    os.mkfifo(name)
    lines = [["train", "--dataset", name], ["predict", "run", name], ["eval", name]]
    if name.endswith(".txt"):
        lines[0] += ["--model", "gru"]
    elif not name.endswith((".csv", ".npz")):
        lines.pop(0)
    for line in lines:
        assert main(line) == 2
        said = capsys.readouterr().err
        assert name in said and ("a pipe, no regular file" in said or "is no regular file" in said)


@pytest.mark.parametrize("name", ["folder.csv", "folder.npz", "folder.npy", "/dev/zero"])
def test_a_folder_or_a_device_is_no_file(tmp_path, name):
    from minihash.data.damage import opened

    path = tmp_path / name
    if not path.exists():
        path.mkdir()
    with pytest.raises(ValueError, match=r"is a (folder|device), no regular file"), opened(path):
        pass
