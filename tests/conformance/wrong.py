# ruff: noqa: E501 (a table: a bug a line)
"""Wrong implementations that the cases must tell from a right one.

`WRITTEN`: bug -> (text of reference/consumers/consumer.js, what stands there instead).
`SAID`: bug -> (op, how a right answer becomes the wrong one, given the request).
"""

import copy
import operator
from hashlib import sha256
from itertools import product

import numpy as np

from minihash.hashes import Dirichlet
from reference import dirichlet
from reference.streams import h as word
from reference.streams import scale, stream
from reference.toeplitz import digits, number, outputs, per_axis

WRITTEN = {
    "seed ignored": ("h = plus(seed, P[4])", "h = P[4]"),
    "length left out": ("h = plus(h, bytes.length);", ""),
    "rotation of 11 for 12 in long inputs": ("[1, 7, 12, 18]", "[1, 7, 11, 18]"),
    "last avalanche left out": ("return (h ^ (h >>> 16)) >>> 0", "return h >>> 0"),
    "tail bytes as signed": ("times(bytes[at], P[4])", "times(bytes[at] << 24 >> 24, P[4])"),
    "32-bit identifiers": ("BigInt(i) & MASK)", "BigInt(i) & 0xffffffffn)"),
    "big-endian identifiers": ("BigInt(8 * k)) & 255n)", "BigInt(56 - 8 * k)) & 255n)"),
    "u without a half": ("(h(seed, i) + 0.5) / 2 ** 32", "h(seed, i) / 2 ** 32"),
    "u by 2^32 - 1": ("(h(seed, i) + 0.5) / 2 ** 32", "(h(seed, i) + 0.5) / (2 ** 32 - 1)"),
    "mod for scale": ("Number((BigInt(word) * BigInt(n)) >> 32n)", "word % n"),
    "scale rounds": ("(BigInt(word) * BigInt(n)) >> 32n", "(BigInt(word) * BigInt(n) + (1n << 31n)) >> 32n"),
    "odd and even exchanged": ("% 2 ? 1 : -1);", "% 2 ? -1 : 1);"),
    "signs of the buckets' stream": ('h(stream(seed, "sign"), i)', 'h(stream(seed, "bucket"), i)'),
    "unsigned signs": ("f.signed ? coin(f.seed ?? 0, i) : 1", "1"),
    "signs where there are none": ("f.signed ? coin", "true ? coin"),
    "seed + 1 for a stream": ('stream(f.seed ?? 0, "bucket"), i), f.buckets)', "(f.seed ?? 0) + 1, i), f.buckets)"),
    "negative remainder": ("(((i + BigInt(offset)) % n) + n) % n", "(i + BigInt(offset)) % n"),
    "half-open radius": ("2 * f.radius + 1)", "2 * f.radius)"),
    "identifiers from 1": ("Number(i / BigInt(f.fan_in)) + 1", "Number(i / BigInt(f.fan_in))"),
    "output and input exchanged": ("`${rep(o)}_${rep(j)}", "`${rep(j)}_${rep(o)}"),
    "numbers of four digits at most": ("`${a}${a + 1}${a + 2}`", "[a, a + 1, a + 2].map((b) => b % 10000).join(\"\")"),
    "a tag left out": ('${f.tag ?? "W"}', "W"),
    "lost sign of a look-up": ("f.signs ? f.signs[Number(i)] : 1", "1"),
    "outer sign of the identifier": ("outer(BigInt(middle))", "[outer(BigInt(middle))[0], outer(i)[1]]"),
    "sign of one hash of two": ("sign * other || 0", "sign"),
    "first identifier ignored": ("BigInt(w.first_id) + BigInt(own)", "BigInt(own)"),
    "a view read untransposed": ("w.transposed ?", "false ?"),
    "lost sign in gather": ("sign ? sign * table[k] : 0", "sign ? table[k] : 0"),
    "missing connection read": ("sign ? sign * table[k] : 0", "(sign || 1) * table[k]"),
    "overwrite for accumulate": ("dtable[k] += sign * dV[e]", "dtable[k] = sign * dV[e]"),
    "lost sign in scatter_add": ("dtable[k] += sign * dV[e]", "dtable[k] += dV[e]"),
    "identifiers beyond the domain": ('throw new RangeError("beyond the hash")', ""),
    "transposed product": ("dx: product(dy, transpose(V))", "dx: product(dy, V)"),
    "gradient of V transposed": ("product(transpose(dy), transpose(x))", "transpose(product(transpose(dy), transpose(x)))"),
    "overwritten rows": ("(dV[r * n + j] += v)", "(dV[r * n + j] = v)"),
    "bias twice": ("v + vector[o]", "v + 2 * vector[o]"),
    "mean for sum in the bias": ("column.reduce((s, v) => s + v, 0))", "column.reduce((s, v) => s + v, 0) / column.length)"),
    "shared table overwritten": ("grads[name] ? grads[name].map((v, k) => v + own[k]) : own", "own"),
    "gradient at 0 of ReLU": ("(v > 0 ? dy[b][k] : 0)", "(v >= 0 ? dy[b][k] : 0)"),
    "> for >= in dropout": (">= threshold ? 1 : 0", "> threshold ? 1 : 0"),
    "one mask for all steps": ("BigInt(q.step) << 32n", "0n"),
    "float32 arithmetic in tables": ("q.bound * (2 * u(seed, k) - 1)", "Math.fround(q.bound * (2 * u(seed, k) - 1))"),
    "inverse order": ("sort((a, b) => words[a] - words[b])", "sort((a, b) => words[b] - words[a])"),
    "one order for all epochs": ("BigInt(q.epoch) << 32n", "0n"),
    "example left alone": ("parts.at(-1).length === 1", "false"),
    "digest not checked": ("digest !== metadata.digest", "false"),
    "any version": ('metadata.version !== "1"', "false"),
}  # fmt: skip


def changed(path, how):
    """A change of an array in an answer, at a path of keys."""

    def change(found, asked):
        found = copy.deepcopy(found)
        place = found
        for key in path[:-1]:
            place = place[key]
        if isinstance(place, dict) and path[-1] in place and place[path[-1]] is not None:
            place[path[-1]] = how(np.array(place[path[-1]], float), asked)
        return found

    return change


def each(part, how):
    """A change of all arrays of a part."""

    def change(found, asked):
        arrays = {
            k: np.asarray(how(np.array(v, float), asked, k)).tolist()
            for k, v in found[part].items()
        }
        return found | {part: arrays}

    return change


def batch(asked):
    return len(asked["x"])


def tables(kind=int, below=operator.le):
    """The tables of a Dirichlet hash by the loop of the specification, masses of this kind of
    number, light where they are `below` the total."""

    def change(found, q):
        h = q["hash"]
        w = Dirichlet(h["buckets"], h["alpha"], h["seed"]).weights().tolist()
        n, total = len(w), kind(sum(w))
        mass = [kind(w_k) * n for w_k in w]
        light = iter([k for k in range(n) if below(mass[k], total)])
        heavy = iter([k for k in range(n) if not below(mass[k], total)])

        def quant(part):
            return min(int(float(part) / float(total) * 2**32), 2**32 - 1)

        threshold, alias, j, after = [0] * n, [*range(n)], next(heavy, None), 0
        rest = 0 if j is None else mass[j]
        while j is not None and after is not None:
            if rest > total and (i := next(light, None)) is not None:
                threshold[i], alias[i] = quant(mass[i]), j
                rest -= total - mass[i]
            elif (after := next(heavy, None)) is not None:
                threshold[j], alias[j] = quant(rest), after
                rest, j = mass[after] - (total - rest), after
        return dict(zip(found, (sha(threshold), sha(alias)), strict=True))

    return change


def sha(values):
    return sha256(np.array(values, "<u4").tobytes()).hexdigest()


def toeplitz(
    exchanged="", last=False, dilated=True, at=lambda p, t, s, pad, d: p * s - pad + t * d
):
    """The Toeplitz hash, with a field of its two axes exchanged, the channel last in the bucket,
    windows counted without their dilation, or taps elsewhere."""

    def change(found, q):
        f = q["hash"]
        if f["type"] != "Toeplitz":
            return found
        (channels, *sizes), (kernels, *taps) = f["shape"], f["kernel"]
        defaults = {"stride": 1, "padding": 0, "dilation": 1}
        of = {name: per_axis(f.get(name, d), len(sizes)) for name, d in defaults.items()}
        every = [*zip(sizes, taps, of["stride"], of["padding"], of["dilation"], strict=True)]
        out = [outputs(n, k, s, pad, d if dilated else 1) for n, k, s, pad, d in every]
        if exchanged:
            of[exchanged].reverse()
        depth, width = channels // f.get("groups", 1), kernels // f.get("groups", 1)
        buckets = []
        for i in map(int, q["identifiers"]):
            o, *rest = digits(i, [kernels, *out, channels, *sizes])
            p, c, x = rest[: len(out)], rest[len(out)], rest[len(out) + 1 :]
            buckets.append(0)
            for t in product(*map(range, taps)) if o // width == c // depth else ():
                if [*map(at, p, t, *of.values())] == x:
                    place = [o, *t, c % depth] if last else [o, c % depth, *t]
                    within = [kernels, *taps, depth] if last else [kernels, depth, *taps]
                    buckets[-1] = number(place, within)
        return {"buckets": buckets, "signs": found["signs"]}

    return change


def coins(found, q):
    """A Dirichlet hash that takes the column where the coin is the threshold."""
    h = q["hash"]
    if h["type"] != "Dirichlet" or h["buckets"] > 1000 or isinstance(h["alpha"], dict):
        return found
    threshold, alias = dirichlet.tables(h["buckets"], h["alpha"], h["seed"])
    bucket, coin = (stream(h["seed"], name) for name in ("bucket", "coin"))
    columns = [scale(word(bucket, int(i)), h["buckets"]) for i in q["identifiers"]]
    pairs = zip(q["identifiers"], columns, strict=True)
    taken = [k if word(coin, int(i)) <= threshold[k] else alias[k] for i, k in pairs]
    return found | {"buckets": taken}


SAID = {
    "strides exchanged": ("hash", toeplitz("stride")),
    "dilations exchanged": ("hash", toeplitz("dilation")),
    "paddings exchanged": ("hash", toeplitz("padding")),
    "the channel last in the bucket": ("hash", toeplitz(last=True)),
    "windows counted without dilation": ("hash", toeplitz(dilated=False)),
    "stride and dilation multiplied": ("hash", toeplitz(at=lambda p, t, s, pad, d: (p * s + t) * d - pad)),
    "a flipped kernel": ("hash", toeplitz(at=lambda p, t, s, pad, d: p * s - pad - t * d)),
    "<= for < of the coin": ("hash", coins),
    "tables in float64": ("tables", tables(float)),
    "equal weights that are heavy": ("tables", tables(below=operator.lt)),
    "threshold and alias exchanged": ("tables", lambda f, q: dict(zip(f, [*f.values()][::-1], strict=True))),
    "mean for sum in gradients": ("layer", each("grads", lambda g, q, _: g / batch(q))),
    "a gradient that is lost": ("layer", each("grads", lambda g, q, _: 0 * g)),
    "a gradient in float16": ("layer", each("grads", lambda g, q, _: g.astype(np.float16))),
    "y in float16": ("layer", changed(["y"], lambda y, q: y.astype(np.float16).tolist())),
    "dx doubled": ("layer", changed(["dx"], lambda d, q: (2 * d).tolist())),
    "dx of the batch reversed": ("layer", changed(["dx"], lambda d, q: d[::-1].tolist())),
    "running variance of N": ("layer", changed(["running", "n.running_var"], lambda v, q: (0.9 * np.array(q["params"]["n.running_var"]) + (v - 0.9 * np.array(q["params"]["n.running_var"])) * 5 / 6).tolist())),
    "no running statistics": ("layer", lambda found, q: found | {"running": {}} if found.get("running") else found),
    "state before for after": ("recurrent", changed(["y"], lambda y, q: np.concatenate([np.array(q["state"][0])[:, None], y[:, :-1]], 1).tolist())),
    "final state of the last step": ("recurrent", lambda f, q: f | {"final": [np.array(f["y"])[:, -1].tolist(), *f["final"][1:]]}),
    "no gradient of the first state": ("recurrent", lambda f, q: f | {"dinitial": [(0 * np.array(d)).tolist() for d in f["dinitial"]]}),
    "gates exchanged": ("recurrent", each("grads", lambda g, q, k: g[::-1])),
    "a sum over the batch for the mean": ("loss", lambda f, q: f | {"loss": f["loss"] * len(q["logits"])}),
    "half a square": ("loss", lambda f, q: f | {"loss": f["loss"] / 2}),
    "gradient of the sum": ("loss", changed(["dlogits"], lambda d, q: (d * len(q["logits"])).tolist())),
    "a rate twice": ("optimiser", changed(["w_after"], lambda w, q: (np.array(q["w"]) + (w - np.array(q["w"])) * q["rate"]).tolist())),
    "the last step left out": ("optimiser", changed(["w_after"], lambda w, q: [*w[:-1].tolist(), w[-2].tolist()])),
    "rates of one epoch later": ("rates", changed(["rates"], lambda r, q: [*r[1:].tolist(), r[-1]])),
    "no half of the squares": ("penalty", lambda f, q: f | {"value": 2 * f["value"]}),
    "no step of a penalty": ("penalty", lambda f, q: f | {"shrunk": {k: q["after"][k] for k in f["shrunk"]}}),
    "parameters of the step before": ("train", lambda f, q: {"params_after": q["params"]}),
    "statistics that stay": ("train", lambda f, q: {"params_after": {k: q["params"][k] if "running" in k else v for k, v in f["params_after"].items()}}),
    "a table that is drawn again": ("initial_parameters", each("params_after", lambda v, q, k: -v)),
    "arrays by name alone": ("file_write", lambda f, q: {"file": f["file"].swapcase()[::-1]} if q["arrays"] else f),
    "a spec that is not sorted": ("file_write", lambda f, q: {"file": f["file"].replace(b"null".hex(), b"true".hex())}),
    "damage that is read": ("file_read", lambda f, q: {"spec": {}, "arrays": {}} if "error" in f else f),
}  # fmt: skip
