"""Pictures of every mode: each number is what the file says it is, and nothing is clipped."""

import numpy as np
import pytest

from minihash.data.pictures import read_picture

Image = pytest.importorskip("PIL.Image")

RAMP = np.linspace(0, 65535, 48).round().astype(np.uint16).reshape(6, 8)


def saved(path, array, mode=None, **options):
    Image.fromarray(array, mode).save(path, **options)
    return path


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])  # the last one widened to 32 bits
def test_sixteen_bits_are_not_clipped(tmp_path, ending):
    path = saved(tmp_path / f"ramp.{ending}", RAMP)
    pixels, white = read_picture(path, 6, 8, False)
    assert white == 65535 and np.array_equal(pixels, RAMP)
    pixels, white = read_picture(path, 3, 4, False)
    assert pixels.shape == (3, 4) and 20000 < pixels.mean() < 45000
    assert len(np.unique(pixels)) == 12
    colour, _ = read_picture(path, 6, 8, True)
    assert colour.shape == (3, 6, 8) and all(np.array_equal(c, RAMP) for c in colour)


def test_sixteen_bits_are_what_eight_bits_of_the_same_are(tmp_path):
    eight = (RAMP >> 8).astype(np.uint8)
    wide, _ = read_picture(saved(tmp_path / "wide.png", eight.astype(np.uint16) * 257), 6, 8, False)
    assert np.array_equal(read_picture(saved(tmp_path / "x.png", eight), 6, 8, False)[0], eight)
    assert np.array_equal(wide / 65535 * 255, eight)


@pytest.mark.parametrize("bits", [10, 12])
def test_a_tiff_of_fewer_bits_says_so(tmp_path, bits, monkeypatch):
    path = saved(tmp_path / "x.tif", RAMP >> (16 - bits))
    opened = Image.open

    def open_(name, **options):
        file = opened(name, **options)
        file.tag_v2[258] = (bits,)
        return file

    monkeypatch.setattr(Image, "open", open_)
    pixels, white = read_picture(path, 6, 8, False)
    assert white == 2**bits - 1 == pixels.max()


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_floats_and_wide_integers_stay_what_they_are(tmp_path, dtype):
    values = (RAMP.astype(np.float64) / 256 - 100).astype(dtype)
    pixels, white = read_picture(saved(tmp_path / "x.tif", values), 6, 8, False)
    assert white == 0 and np.array_equal(pixels, values)


def test_resizing_stays_between_black_and_white(tmp_path):
    edge = np.zeros((16, 16), np.uint16)
    edge[:, 8:] = 65535
    pixels, _ = read_picture(saved(tmp_path / "x.png", edge), 11, 11, False)
    assert pixels.min() == 0 and pixels.max() == 65535


def test_what_is_transparent_lies_on_white_paper(tmp_path):
    grey = np.array([[0, 100], [200, 50]], np.uint8)
    alpha = np.array([[255, 0], [255, 0]], np.uint8)
    path = tmp_path / "x.png"
    Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)]).save(path)
    assert read_picture(path, 2, 2, False)[0].tolist() == [[0, 255], [200, 255]]
    Image.fromarray(grey.astype(np.uint16) * 257).save(path, transparency=100 * 257)
    assert read_picture(path, 2, 2, False)[0].tolist() == [[0, 65535], [200 * 257, 50 * 257]]
    palette = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), "P")
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.save(path, transparency=1)
    pixels, white = read_picture(path, 2, 2, True)
    assert white == 255 and pixels[:, 0, 0].tolist() == [255, 0, 0]
    assert pixels[:, 0, 1].tolist() == [255, 255, 255]


def test_a_picture_of_two_colours_goes_from_0_to_255(tmp_path):
    path = tmp_path / "x.png"
    Image.fromarray(np.array([[True, False]])).save(path)
    pixels, white = read_picture(path, 1, 2, False)
    assert (pixels.tolist(), white) == ([[255, 0]], 255)


def test_colours_come_channel_by_channel(tmp_path):
    rgb = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    pixels, _ = read_picture(saved(tmp_path / "x.png", rgb), 2, 3, True)
    assert np.array_equal(pixels, rgb.transpose(2, 0, 1))
