"""The arguments that say what a network is, and what weights of another framework do not say.

`train` takes them for a new network; `eval` for a file of such weights, beside what it can be read.
"""

import argparse

from minihash.cli import values
from minihash.cli.parsing import Parser


def scaling(group: argparse._ActionsContainer) -> None:
    """How numbers become inputs."""
    text = (
        "a mean and deviation for each of columns (default of a table) or channels (of pictures); "
    )
    text += (
        "none, bytes / 255; MEAN:STD, those that are given, of bytes / 255, with commas between "
    )
    text += "channels; weights of PyTorch have no default"
    group.add_argument("--standardise", help=text, type=values.scaling, metavar="HOW")


def network(group: argparse._ArgumentGroup, dest: str = "model") -> argparse.Action:
    """What it is; returns --model, whose help is to come. dest: of that."""

    def add(flag: str, text: str, **options: object) -> None:
        group.add_argument(flag, help=text, **options)

    model = group.add_argument("--model", dest=dest, metavar="NAME")
    add("--hash", "one of those below", metavar="NAME")
    text = "of dirichlet and quantile: small is uneven, inf is even"
    add("--alpha", text, type=values.real, metavar="A")
    add("--radius", "of neighborhood: 0 is modulus", type=values.radius, metavar="R")
    add("--signed", "let the hash draw signs too", action="store_const", const=True)
    text = "an option of the hash, of those below (repeatable)"
    options = {"dest": "hash_options", "action": "append", "type": values.pair}
    add("--hash-option", text, metavar="NAME=VALUE", **options)
    text = "stored / virtual weights, the paper's sparsity, as 0.25 or 1/15; 1 under identity"
    add("--compression", text, type=values.part, metavar="C")
    text = "of mlp: table, or lowrank, of which the compression is that of one factor"
    add("--source", text, choices=("table", "lowrank"))
    text = "one table for; hashednets has one for each layer"
    add("--scope", text, choices=("network", "layer"))
    add("--bias", "biases", choices=("free", "hashed", "none"))
    text = "sizes of the hidden layers; of an autoencoder, down to its code"
    add("--hidden", text, type=values.sizes, metavar="N,N")
    text = "of cnn: channels of its convolutions"
    add("--channels", text, type=values.sizes, metavar="N,N")
    add("--kernel", "of cnn: side of its kernels", type=values.count, metavar="N")
    text = "of cnn: zeros around an image (default: half the kernel)"
    add("--padding", text, type=values.radius, metavar="N")
    add("--activation", "elu, relu, sigmoid or tanh", metavar="NAME")
    add("--norm", "normalisation after the activation", choices=("batch", "none"))
    text = "of text: width of a character's vector (default: as --hidden)"
    add("--embedding", text, type=values.count, metavar="N")
    text = "of text: input and output embeddings are one"
    add("--tied", text, action="store_const", const=True)
    text = "of text: recurrent layers, one above the other"
    add("--layers", text, type=values.count, metavar="N")
    return model


def trained(group: argparse._ArgumentGroup) -> None:
    """What only its training sees."""
    text = "of hidden units, with this probability"
    group.add_argument("--dropout", help=text, type=values.chance, metavar="P")
    text = "of mlp: of inputs, with this probability"
    group.add_argument("--input-dropout", help=text, type=values.chance, metavar="P")
    text = "a factor of the initial tables of weights"
    group.add_argument("--init-scale", help=text, type=values.real, metavar="S")


def tokens(group: argparse._ActionsContainer) -> None:
    """What a text is made of."""
    text = "of text: what is read and written one by one"
    group.add_argument("--tokens", help=text, choices=("characters", "bytes"))


def names(group: argparse._ActionsContainer) -> None:
    """The modules of a file of weights."""
    text = "its modules in the order of the layers, as conv1,fc1,fc2; the first layer of a "
    text += "recurrent module lstm is lstm.0 (default: by kind, in the order of their names)"
    group.add_argument("--names", help=text, type=values.names, metavar="N,N")


def of_weights(sub: Parser) -> None:
    """All of it, for a file of weights that another framework has trained."""
    text = "for a FILE of PyTorch (.safetensors, .npz)"
    what = "what its shapes do not say has to be said: --standardise, --activation"
    group = sub.add_argument_group(text, what)
    scaling(group)
    network(group, "as_model").help = "mlp, cnn, rnn, gru or lstm (default: as its shapes say)"
    tokens(group)
    names(group)

    def complete() -> None:
        from minihash.cli import choices as known

        sub.epilog = known.hashes()

    sub.formatter_class = argparse.RawDescriptionHelpFormatter
    sub.complete = complete
