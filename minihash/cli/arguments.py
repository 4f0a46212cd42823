"""The arguments of the command line, and what its help says.

Nothing of the engine is imported to parse them, only where it is asked for: the help of `train` is
made from the models and hashes that there are, and --import brings others.
"""

import argparse

from minihash import __version__
from minihash.cli import compressing, grids, networks, values
from minihash.cli.parsing import Parser

# What the help says, which a test holds to the engine: that is too heavy to be asked here.
DATASETS = "digits, mnist, cifar10, rectangles, convex"
TEXTS = "tinyshakespeare"
BACKENDS = "numba, numpy, cuda"

PENALTIES = {
    "--weight-decay": "penalty: weights shrink by rate S, apart from the gradient",
    "--l1": "penalty: S sum |w| of the tables",
    "--l2": "penalty: S/2 sum w^2 of the tables",
    "--group-lasso": "penalty: S sum of sqrt(n) |row|, of matrices under the identity hash",
}

EXAMPLES = """\
examples:
  minihash train                                     the embedded digits, in a minute
  minihash train --hash dirichlet --alpha 0.1        a hash that shares weights unevenly
  minihash train --import mine --hash blocks         a hash of your own, registered in mine.py
  minihash train --dataset mnist --data-dir ~/data   60,000 digits, from ~/data or ~/data/mnist
  minihash train --model cnn --hash identity         a convolutional network, no weights shared
  minihash train --validation 0.2 --patience 5       keep the best epoch on held-out examples
  minihash train --model lstm --dataset my.txt       a text, character by character
  minihash train --model lstm --dataset my.txt --compression 1/16     recurrent weights hashed
  minihash train --resume runs/digits-001            go on with a run that was stopped
  minihash eval net.safetensors --dataset mnist --activation relu --standardise none
  minihash train --from net.safetensors --hash uniform --activation relu --standardise 0.13:0.31
  minihash compress runs/digits-001 --option density=0.1 --option bits=4
  minihash predict runs/digits-001 7                 example 7 of its test set
  minihash predict runs/digits-001 --csv *.png       many pictures, a row each
  minihash generate runs/my-001 --prompt "Once "     text that goes on from there
  minihash sweep --hash uniform,dirichlet --alpha 0.1,1,10 --seed 0:5     every combination
"""


def parser() -> argparse.ArgumentParser:
    """Of all commands. It raises ValueError for what it cannot parse."""
    whole = Parser(
        prog="minihash",
        description="Neural networks whose weights are shared by a hash.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"minihash {__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: str, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        sub.set_defaults(command=function)
        return sub

    train = command("train", "train", "train a network, in a run folder")
    _add_train(train)
    sub = command("compress", "compress", "learn from a trained run what its weights can share")
    compressing.add(sub)
    _add_plot(sub, "the weights of each layer, and the values that they share")
    _add_machine(sub)
    sub = command("eval", "evaluate", "how well a trained network does on a test set")
    _add_model(sub, ", or weights of PyTorch, .safetensors or .npz")
    text = "how often an example of each class is taken for each"
    sub.add_argument("--confusion", action="store_true", help=text)
    _add_plot(sub, "that matrix")
    _add_data(sub, "data set to test on (default: the one it was trained on)")
    _add_machine(sub)
    networks.of_weights(sub)
    sub = command("predict", "predict", "what a trained network takes an example for")
    _add_model(sub)
    text = "image files, .npy or .csv files, indices of test examples; - for standard input"
    sub.add_argument("input", metavar="INPUT", nargs="+", help=text)
    text = "print a row an example, with the probability of each class"
    sub.add_argument("--csv", action="store_true", help=text)
    sub.add_argument("--invert", action="store_true", help="swap dark and bright of an image")
    _add_data(sub, "data set that the index is of (default: the one it was trained on)")
    _add_machine(sub)
    sub = command("generate", "generate", "text, by a network that was trained on text")
    _add_model(sub)
    sub.add_argument(
        "--length", type=values.count, default=500, metavar="N", help="characters to write (500)"
    )
    text = "0 takes the likeliest character each time, 1 draws by their probabilities (1.0)"
    sub.add_argument("--temperature", type=values.real, default=1.0, metavar="T", help=text)
    sub.add_argument("--seed", type=values.seed, default=0, metavar="N", help="of the draws (0)")
    sub.add_argument("--prompt", metavar="TEXT", help="text to go on from (default: a new line)")
    _add_machine(sub)
    sub = command("inspect", "inspect", "what a network stores, and how evenly its hash uses it")
    _add_model(sub)
    _add_plot(sub, "the learning curves of a run")
    sub = command("explain", "explain", "how MLPs, CNNs and RNNs are hashes, computed both ways")
    _add_plot(sub, "the table and three virtual matrices, a colour a bucket")
    _add_backend(sub)
    grids.add(command, train._actions)
    sub = command(
        "export",
        "export",
        "a trained network as one file of C, NumPy or ONNX, or of arrays for PyTorch",
    )
    _add_model(sub)
    text = (
        "of an mlp or cnn, c: C99 without heap or library; numpy: a script of NumPy alone; onnx: "
    )
    text += "ONNX; of any, safetensors, npz: weights for PyTorch"
    forms = ("c", "numpy", "onnx", "safetensors", "npz")
    sub.add_argument("--to", choices=forms, default="c", help=text)
    text = "weights written out, not their tables and hashes, as in safetensors and npz they are"
    sub.add_argument("--dense", action="store_true", help=text)
    sub.add_argument("--out", metavar="FILE", help="(default: the run's name, with an ending)")
    sub = command("selftest", "selftest", "known answers, asked of every backend that is here")
    _add_backend(sub)
    text = "known answers, asked of another program by lines of JSON"
    sub = command("conform", "conform", text)
    text = "of this level alone (repeatable): 0 XXH32, 1 hashes, 2 products, 3 layers ... 5 files"
    sub.add_argument("--level", type=int, choices=range(6), action="append", help=text)
    text = "after --: the program and its arguments"
    sub.add_argument("program", metavar="COMMAND", nargs="+", help=text)
    sub = command("backends", "backends", "what can be computed with here")
    _add_machine(sub)
    for name, sub in commands.choices.items():
        text = "end with" if name in ("train", "compress") else "print only"
        sub.add_argument("--json", action="store_true", help=f"{text} one JSON object, on one line")
        text = "import a module first, which registers hashes or layers of its own (repeatable)"
        options = {
            "dest": "imports",
            "action": "append",
            "type": values.module,
            "metavar": "MODULE",
        }
        sub.add_argument("--import", help=text, **options)
    return whole


def _add_model(sub: argparse.ArgumentParser, other: str = "") -> None:
    text = f"a run folder, or a model.safetensors{other}"
    sub.add_argument("model", metavar="RUN_OR_FILE", help=text)


def _add_data(sub: argparse._ActionsContainer, text: str) -> None:
    kinds = f"{DATASETS}, or FILE.npz, FILE.csv, FILE.csv:COLUMN with the labels, a folder of "
    kinds += f"pictures (a subfolder a class) or of IDX files; of text: {TEXTS}, or a text file"
    sub.add_argument("--dataset", metavar="NAME", help=f"{text}: {kinds}")
    sub.add_argument("--data-dir", metavar="DIR", help="folder of data sets (or set MINIHASH_DATA)")
    sub.add_argument(
        "--download",
        action="store_true",
        help="fetch the data set if it is not found (needs pooch)",
    )
    sub.add_argument(
        "--channels-last",
        action=argparse.BooleanOptionalAction,
        help="pictures of an .npz file are (rows, columns, channels), or are not",
    )


def _add_plot(sub: argparse.ArgumentParser, what: str) -> None:
    text = f"make a picture too, as FILE.png: {what} (needs matplotlib)"
    sub.add_argument("--plot", metavar="FILE", help=text)


def _add_backend(sub: argparse._ActionsContainer) -> None:
    sub.add_argument(
        "--backend", metavar="NAME", help=f"{BACKENDS} (default: the best; or set MINIHASH_BACKEND)"
    )


def _add_machine(sub: argparse._ActionsContainer) -> None:
    _add_backend(sub)
    sub.add_argument(
        "--threads",
        type=values.count,
        metavar="N",
        help="cores to use, of those there are (default: all)",
    )


def _add_train(train: Parser) -> None:
    def add(group: argparse._ArgumentGroup, flag: str, text: str, **options: object) -> None:
        group.add_argument(flag, help=text, **options)

    group = train.add_argument_group("data")
    _add_data(group, "data set")
    networks.scaling(group)
    text = "begin with the weights that PyTorch has trained: a .safetensors or .npz of a state_dict"
    add(group, "--from", text, dest="weights", metavar="FILE")
    networks.names(group)
    group = train.add_argument_group("network")
    model = networks.network(group)
    networks.trained(group)
    group = train.add_argument_group("training")
    text = "passes over the data; with --from 0 too, which brings weights in and no more"
    add(group, "--epochs", text, type=values.radius, metavar="N")
    add(
        group,
        "--batch-size",
        "examples, or streams of text, a step",
        type=values.count,
        metavar="N",
    )
    networks.tokens(group)
    add(group, "--length", "of text: characters of a stream a step", type=values.count, metavar="N")
    text = "of text: gradients go back through windows of N characters (default: --length)"
    add(group, "--truncate", text, type=values.count, metavar="N")
    text = "largest norm of a step's gradient (of text: 1)"
    add(group, "--clip", text, type=values.real, metavar="NORM")
    add(group, "--optimiser", "sgd or adam", metavar="NAME")
    add(group, "--momentum", "of sgd (0.9)", type=values.strength, metavar="M")
    text = "of sgd: v = M v + (1 - D) g; Torch7's default is D = M (0)"
    add(group, "--dampening", text, type=values.chance, metavar="D")
    text = "learning rate, cut at plateaus; under another optimiser, of sgd 0.1, of adam 0.003"
    add(group, "--lr", text, type=values.real, metavar="RATE")
    text = "rate / (1 + D times the steps so far), in place of plateaus"
    add(group, "--decay", text, type=values.strength, metavar="D")
    text = "rate / 10 after N epochs without a better one (4)"
    add(group, "--plateau", text, type=values.count, metavar="N")
    text = "by accuracy on what is trained on, or by loss on what is held out (training)"
    add(group, "--plateau-of", text, choices=("training", "validation"))
    text = "a run folder, or model file, of a classifier whose answers to learn from, too"
    add(group, "--teacher", text, metavar="RUN")
    text = "of --teacher: of both softmaxes, its and the network's (4)"
    add(group, "--temperature", text, type=values.strength, metavar="T")
    text = "of --teacher: its part of the loss, 0 to 1 (0.5)"
    add(group, "--mix", text, type=values.chance, metavar="L")
    for name, text in PENALTIES.items():
        add(group, name, text, type=values.strength, metavar="S")
    text = "penalty on the sorted norms of inputs: S + SLOPE max(PART n - i, 0) on the i-th of n"
    add(group, "--growl", text, type=values.growl, metavar="S,SLOPE[,PART]")
    text = "hold out this part, as 0.2, or number of the training examples; keep the best epoch"
    add(group, "--validation", text, type=values.held_out, metavar="V")
    text = "of --validation: end after N epochs without a better one"
    add(group, "--patience", text, type=values.count, metavar="N")
    add(group, "--seed", "of all that is random", type=values.seed, metavar="N")
    add(group, "--dtype", "precision", choices=("float32", "float64"))
    _add_machine(group)
    group = train.add_argument_group("run")
    add(group, "--out", "folder of the run (default: runs/NAME-NNN, the next free)", metavar="RUN")
    add(group, "--resume", "go on with this run, with its own choices", metavar="RUN")
    add(group, "--quiet", "no progress, no table", action="store_true")

    def complete() -> None:
        from minihash.cli import choices as known

        model.help = known.models()
        for action in train._actions:
            action.help += known.defaults(action.dest)
        train.epilog = known.hashes()

    train.formatter_class = argparse.RawDescriptionHelpFormatter
    train.complete = complete
