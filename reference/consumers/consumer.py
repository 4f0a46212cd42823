"""The specification on PyTorch: `minihash conform -- python reference/consumers/consumer.py`.

Words of XXH32 are int64 tensors, masked to 32 bits after each step. Gradients are autograd's, and
steps those of torch.optim: what is asked of hashes is asked of PyTorch's layers, too.
"""

import json
import sys

import torch
from torch.nn import functional as F

MASK, P = 2**32 - 1, (2654435761, 2246822519, 3266489917, 668265263, 374761393)


def times(a, b):
    """a b mod 2^32, in halves of 16 bits: int64 has no room for the product."""
    return ((a & 0xFFFF) * b + (((a >> 16) * b & 0xFFFF) << 16)) & MASK


def rotate(x, r):
    return ((x << r) | (x >> (32 - r))) & MASK


def h(seed, ids):
    """XXH32 of the 8 bytes of identifiers, a list of Python integers below 2^64."""
    low = torch.tensor([i & MASK for i in ids])
    high = torch.tensor([i >> 32 for i in ids])
    x = torch.full_like(low, (seed + P[4] + 8) & MASK)
    for half in (low, high):
        x = times(rotate((x + times(half, P[2])) & MASK, 17), P[3])
    x = times(x ^ (x >> 15), P[1])
    x = times(x ^ (x >> 13), P[2])
    return x ^ (x >> 16)


def stream(seed, name):
    """XXH32 of fewer than 16 bytes."""
    data, x = name.encode(), (seed + P[4] + len(name)) & MASK
    while len(data) >= 4:
        x = rotate((x + int.from_bytes(data[:4], "little") * P[2]) & MASK, 17) * P[3] & MASK
        data = data[4:]
    for byte in data:
        x = rotate((x + byte * P[4]) & MASK, 11) * P[0] & MASK
    x = (x ^ x >> 15) * P[1] & MASK
    x = (x ^ x >> 13) * P[2] & MASK
    return x ^ x >> 16


def scale(words, n):
    """floor(word n / 2^32), in halves."""
    return ((words >> 16) * n + ((words & 0xFFFF) * n >> 16)) >> 16


def hashed(f, ids):
    """(buckets, signs) of identifiers."""
    n, seed = f["buckets"], f.get("seed", 0)
    if f["type"] == "Identity":
        if ids and max(ids) >= n:
            raise ValueError("an identifier beyond the table")
        bucket = torch.tensor(ids)
    elif f["type"] == "Modulus":
        bucket = torch.tensor([i % n for i in ids])
    elif f["type"] == "Uniform":
        bucket = scale(h(stream(seed, "bucket"), ids), n)
    else:
        raise NotImplementedError
    ones = torch.ones_like(bucket)
    return bucket, h(stream(seed, "sign"), ids) % 2 * 2 - 1 if f.get("signed") else ones


def virtual(w, table):
    """V, from which autograd finds its way back to the table."""
    size = torch.Size(w["shape"]).numel()
    bucket, sign = hashed(w["hash"], [w["first_id"] + e for e in range(size)])
    if w["transposed"]:
        shape = w["shape"][::-1]
        return (table[bucket] * sign).reshape(shape).T
    return (table[bucket] * sign).reshape(w["shape"])


def tensor(values, q, grad=False):
    dtype = torch.float32 if q.get("dtype") == "float32" else torch.float64
    return torch.tensor(values, dtype=dtype, requires_grad=grad)


def core(q):
    w = q["weight"]
    table = q.get("table", [0.0] * w["hash"]["buckets"])
    table = tensor(table, q, True)
    V = virtual(w, table)
    if q["op"] == "gather":
        return {"V": V.tolist()}
    if q["op"] == "scatter_add":
        V.backward(tensor(q["dV"], q))
        return {"dtable": table.grad.tolist()}
    x = tensor(q["x"], q, True)
    y = x @ V.T
    if q["op"] == "matmul":
        return {"y": y.tolist()}
    y.backward(tensor(q["dy"], q))
    return {"dx": x.grad.tolist(), "dtable": table.grad.tolist()}


def layer(f, params, x, q):
    """y, and running statistics by name."""
    train = q["mode"] == "train"
    kind = f["type"]
    if kind in ("Dense", "Conv2d"):
        V = virtual(f["weight"], params[f["weight"]["table"]])
        b = virtual(f["bias"], params[f["bias"]["table"]]) if f["bias"] else None
        if kind == "Dense":
            return F.linear(x, V, b), {}
        options = {k: f.get(k, d) for k, d in (("stride", 1), ("padding", 0), ("dilation", 1))}
        options = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
        return F.conv2d(x, V, b, groups=f.get("groups", 1), **options), {}
    if kind == "BatchNorm1d":
        names = [f"{f['name']}.{k}" for k in ("running_mean", "running_var", "gamma", "beta")]
        mean, var, gamma, beta = (params[n] for n in names)
        mean, var = mean.detach().clone(), var.detach().clone()
        y = F.batch_norm(x, mean, var, gamma, beta, train, f["momentum"], f["eps"])
        return y, dict(zip(names, (mean, var), strict=False)) if train else {}
    if kind == "Embedding":
        return F.embedding(x, virtual(f["weight"], params[f["weight"]["table"]])), {}
    if kind == "MaxPool2d":
        return F.max_pool2d(x, f["size"], f["stride"], f["padding"]), {}
    if kind == "AveragePool2d":
        return F.avg_pool2d(x, f["size"], f["stride"], f["padding"]), {}
    if kind == "GlobalAveragePool":
        return x.mean((2, 3)), {}
    return {"ELU": F.elu, "ReLU": F.relu, "Tanh": torch.tanh, "Sigmoid": torch.sigmoid}[kind](x), {}


LAYERS = ["Dense", "Conv2d", "BatchNorm1d", "Embedding", "MaxPool2d", "AveragePool2d"]
LAYERS += ["GlobalAveragePool", "ELU", "ReLU", "Tanh", "Sigmoid"]


def leaves(q):
    return {name: tensor(values, q, True) for name, values in q["params"].items()}


def of_layer(q):
    params = leaves(q)
    tokens = q["layer"]["type"] == "Embedding"
    x = torch.tensor(q["x"]) if tokens else tensor(q["x"], q, True)
    y, running = layer(q["layer"], params, x, q)
    y.backward(tensor(q["dy"], q))
    grads = {name: p.grad.tolist() for name, p in params.items() if p.grad is not None}
    found = {"y": y.tolist(), "dx": None if tokens else x.grad.tolist(), "grads": grads}
    return found | {"running": {name: value.tolist() for name, value in running.items()}}


def loss(q):
    z = tensor(q["logits"], q, True)
    if q["loss_name"] == "cross-entropy":
        value = F.cross_entropy(z, torch.tensor(q["labels"]))
    else:
        value = F.mse_loss(z, tensor(q["target"], q))
    value.backward()
    return {"loss": value.item(), "dlogits": z.grad.tolist()}


def optimiser(f, params, rate):
    if f["type"] == "SGD":
        options = {k: v for k, v in f.items() if k != "type"}
        return torch.optim.SGD(params, lr=rate, **options)
    betas = f.get("beta1", 0.9), f.get("beta2", 0.999)
    return torch.optim.Adam(params, lr=rate, betas=betas, eps=f.get("eps", 1e-8))


def steps(q):
    w = tensor(q["w"], q, True)
    rule, found = optimiser(q["optimiser"], [w], q["rate"]), []
    for g in q["gradients"]:
        w.grad = tensor(g, q)
        rule.step()
        found.append(w.tolist())
    return {"w_after": found}


def train(q):
    params, x = leaves(q), tensor(q["x"], q)
    rule = optimiser(q["optimiser"], params.values(), q["rate"])
    for _ in range(q["steps"]):
        y, running = x, {}
        for f in q["network"]["layers"]:
            y, new = layer(f, params, y, {"mode": "train"})
            running |= new
        rule.zero_grad()
        F.cross_entropy(y, torch.tensor(q["labels"])).backward()
        rule.step()
        for name, value in running.items():
            params[name].data.copy_(value)
    return {"params_after": {name: p.tolist() for name, p in params.items()}}


def of_hash(q):
    bucket, sign = hashed(q["hash"], [int(i) for i in q["identifiers"]])
    return {"buckets": bucket.tolist(), "signs": sign.tolist()}


OPS = {"gather": core, "scatter_add": core, "matmul": core, "matmul_backward": core}
OVER = {**OPS, "hash": of_hash}
OPS |= {"hash": of_hash, "layer": of_layer, "loss": loss, "optimiser": steps, "train": train}
HASHES = ["Identity", "Modulus", "Uniform"]
CLAIMS = [f"{op}:{name}" for op in OVER for name in HASHES] + ["loss", "optimiser:SGD"]
CLAIMS += [f"layer:{name}" for name in [*LAYERS, *HASHES]] + ["optimiser:Adam", "train"]


def main():
    torch.set_num_threads(1)
    for line in sys.stdin:
        q = json.loads(line)
        if q["op"] == "hello":
            found = {"name": f"PyTorch {torch.__version__}", "claims": CLAIMS}
        else:
            try:
                found = OPS[q["op"]](q)
            except (ValueError, NotImplementedError) as error:
                found = {"error": str(error)}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
