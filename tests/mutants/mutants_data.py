"""Deliberate bugs where a user's data get their meaning: units, standardising, labels, pictures."""

from tests.mutants.mutant import Mutant

SCALED = "tests/data/test_units.py -k another_scale"
REFUSED = "tests/data/test_units.py -k not_certain"
ROWS = "tests/data/test_units.py -k example_of_the_training_set"
CONSTANT = "tests/data/test_standardise.py -k constant"
GROUPS = "tests/data/test_standardise.py -k floats_have_the_mean"
NAMES = "tests/data/test_data_values.py -k names_in_their_order"
USED = "tests/cli/test_cli_data.py"
PICTURES = "tests/data/test_pictures.py"

UNITS = [
    (
        "(s for s in SCALES.values() if s / 2 < high <= s)",
        "(s for s in (255.0,))",
        "255 for all",
        ROWS,
    ),
    ("own < 8 * high:", "own <= high:", "white of dark bytes", ROWS),
    (
        "or high == low == 0 or held)",
        "or high == low == 0)",
        "bytes that whole floats are held as, refused",
        SCALED,
    ),
    ("or high == low == 0 or held)", "or True)", "of two readings the first", REFUSED),
    (
        "if scale is None or fits or self.white not in SCALES.values():",
        "if scale is None:",
        "of two readings the second",
        REFUSED,
    ),
    ("return not self.whole or are_whole(x)", "return True", "fractions among counts", REFUSED),
    (
        "<= high <= 1 < self.high and",
        "<= high < 1 < self.high and",
        "ones taken for 1 of 255",
        REFUSED,
    ),
    ("-self.high / 4 <= low <= high", "low <= high", "numbers below black", REFUSED),
    (
        "most = max(FACTOR * self.high, self.white)",
        "most = math.inf",
        "numbers beyond white",
        REFUSED,
    ),
    (
        "fits = fits and float(x.mean(dtype=np.float64)) * FACTOR >= self.mean",
        "pass",
        "a test set of floats to 1 for one to 255",
        "tests/data/test_units.py -k no_small_part",
    ),
    (
        "first = [at[0] + k, *at[1:]]",
        "first = at",
        "a place within a block of examples",
        "tests/data/test_data_values.py -k name_count_and_place",
    ),
    ("* self.white / white", "* (self.white / white)", "7 / 255 that is not 7 / 255", SCALED),
]
STANDARDISING = [
    (
        "np.dtype(np.float64) if self.wide else dtype",
        "dtype",
        "numbers rounded before they are centred",
        "tests/data/test_standardise.py -k told_apart",
    ),
    ("deviation > ULPS * abs(centre)", "deviation > 0", "noise taken for a column", CONSTANT),
    ("ULPS = 4 *", "ULPS = 5 *", "a column taken for noise", CONSTANT),
    ("means(np.square, mean)", "means(np.square, first)", "squares about the first row", GROUPS),
    (
        "np.repeat(v.astype(middle), width)",
        "np.tile(v.astype(middle), width)",
        "channels taken for the last axis",
        "tests/data/test_standardise.py -k mean_of_its_own",
    ),
]


def _of(file: str, cases: list[tuple[str, str, str, str]]) -> list[Mutant]:
    return [Mutant(f"data/{file}.py", *case) for case in cases]


DATA_MUTANTS = [
    *_of("units", UNITS),
    *_of("standardiser", STANDARDISING),
    Mutant(
        "data/dataset.py",
        '"columns" if len(self.shape) == 1 else "channels"',
        '"channels"',
        "one mean for columns of different units",
        "tests/data/test_standardise.py -k shape_says",
    ),
    Mutant(
        "data/labels.py",
        "names = tuple(map(str, labels.tolist()))",
        "names = tuple(map(str, range(len(labels))))",
        "names forgotten",
        NAMES,
    ),
    Mutant(
        "data/labels.py",
        "if len(labels) > FEW and 2 * single >= len(train):",
        "if False:",
        "a class for each measurement",
        "tests/data/test_data_values.py -k measurements",
    ),
    Mutant(
        "data/labels.py",
        "if not any(map(_is_number, known)) and",
        "if",
        "a class 2 that is the model's second",
        "tests/data/test_data_values.py -k found_by_name",
    ),
    Mutant(
        "data/npz.py",
        "np.moveaxis(x, 3, 1) if channels_last else x",
        "np.swapaxes(x, 3, 1) if channels_last else x",
        "height and width exchanged with the channels",
        "tests/data/test_data_formats.py -k channels_last",
    ),
    Mutant(
        "data/npz.py",
        "dtypes = (x_train, y_train, x_test, y_test), (of_train, of_test)",
        "dtypes = (x_train, y_train, x_test, y_test), None",
        "a dtype forgotten because of how values are held",
        "tests/data/test_data_formats.py -k dtype_of_the_file",
    ),
    Mutant(
        "data/pictures.py",
        'if picture.mode[:1] in ("I", "F"):',
        "if False:",
        "pictures of 16 bits clipped at 255",
        f"{PICTURES} -k sixteen_bits_are_not_clipped",
    ),
    Mutant(
        "data/pictures.py",
        "np.clip(pixels, 0, white)",
        "pixels",
        "a resized picture beyond black and white",
        f"{PICTURES} -k between_black",
    ),
    Mutant(
        "files/spec.py",
        'f.metadata.get("later") and v == f.default',
        'f.metadata.get("later")',
        "fields that files forget",
        f"{USED} -k large_mean",
    ),
    Mutant(
        "runs/examples.py",
        '"y_test": number[data.y_test]',
        '"y_test": data.y_test',
        "another set's classes by their number",
        f"{USED} -k wherever",
    ),
    Mutant(
        "runs/examples.py",
        "if distance > FAR:",
        "if False:",
        "a table in other units",
        f"{USED} -k table_of_other_units",
    ),
    Mutant(
        "runs/examples.py",
        "x = units.bring(x, name, pictures, data.units.dtype, every)",
        "x = x",
        "a test set in other units",
        f"{USED} -k another_scale",
    ),
    Mutant(
        "runs/examples.py",
        "last = self.known_units.channels_last",
        "last = None",
        "where channels are, forgotten after training",
        f"{USED} -k channels_last",
    ),
    Mutant(
        "runs/predict.py",
        "np.moveaxis(x, -1, -3)",
        "np.swapaxes(x, -1, -3)",
        "height and width exchanged in a row of one's own",
        f"{USED} -k channels_last",
    ),
]
