// The specification in JavaScript, without a dependency: minihash conform -- node consumer.js
//
// Identifiers are BigInts, words are numbers below 2^32, tables are arrays of doubles. A product is
// computed in double and rounded where it is printed: float32 answers are off by far less than their
// bound. Claims are the keys of OPS and HASHES.
"use strict";

const MASK = (1n << 64n) - 1n;
const P = [2654435761, 2246822519, 3266489917, 668265263, 374761393];
const rotate = (x, r) => ((x << r) | (x >>> (32 - r))) >>> 0;
const times = (a, b) => Math.imul(a, b) >>> 0;
const plus = (a, b) => (a + b) >>> 0;

function xxh32(bytes, seed) {
  const word = (i) => bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
  let at = 0, h;
  if (bytes.length >= 16) {
    const lanes = [seed + P[0] + P[1], seed + P[1], seed, seed - P[0]].map((v) => v >>> 0);
    for (; at + 16 <= bytes.length; at += 16)
      for (let k = 0; k < 4; k++)
        lanes[k] = times(rotate(plus(lanes[k], times(word(at + 4 * k), P[1])), 13), P[0]);
    h = [1, 7, 12, 18].reduce((sum, r, k) => plus(sum, rotate(lanes[k], r)), 0);
  } else h = plus(seed, P[4]);
  h = plus(h, bytes.length);
  for (; at + 4 <= bytes.length; at += 4)
    h = times(rotate(plus(h, times(word(at), P[2])), 17), P[3]);
  for (; at < bytes.length; at++) h = times(rotate(plus(h, times(bytes[at], P[4])), 11), P[0]);
  h = times(h ^ (h >>> 15), P[1]);
  h = times(h ^ (h >>> 13), P[2]);
  return (h ^ (h >>> 16)) >>> 0;
}

const bytesOf = (i) => Array.from({ length: 8 }, (_, k) => Number((i >> BigInt(8 * k)) & 255n));
const h = (seed, i) => xxh32(bytesOf(BigInt(i) & MASK), seed);
const stream = (seed, name) => xxh32(Array.from(name, (c) => c.charCodeAt(0)), seed);
const u = (seed, i) => (h(seed, i) + 0.5) / 2 ** 32;
const scale = (word, n) => Number((BigInt(word) * BigInt(n)) >> 32n);
const coin = (seed, i) => (h(stream(seed, "sign"), i) % 2 ? 1 : -1);

// identifier -> [bucket, sign]
const signed = (f, i) => (f.signed ? coin(f.seed ?? 0, i) : 1);
const HASHES = {
  Identity: (f) => (i) => [Number(i), 1],
  Modulus: (f) => (i) => [Number(i % BigInt(f.buckets)), signed(f, i)],
  Uniform: (f) => (i) => [scale(h(stream(f.seed ?? 0, "bucket"), i), f.buckets), signed(f, i)],
  Neighborhood: (f) => (i) => {
    const n = BigInt(f.buckets);
    const offset = scale(h(stream(f.seed ?? 0, "bucket"), i), 2 * f.radius + 1) - f.radius;
    return [Number((((i + BigInt(offset)) % n) + n) % n), signed(f, i)];
  },
  HashedNets: (f) => (i) => {
    const [o, j] = [Number(i / BigInt(f.fan_in)) + 1, Number(i % BigInt(f.fan_in)) + 1];
    const rep = (a) => `${a}${a + 1}${a + 2}`;
    const word = (tag) => stream(f.seed ?? 1691, `${rep(o)}_${rep(j)}${tag}${f.tag ?? "W"}`);
    return [word("idx") % f.buckets, word("xi_") % 2 ? 1 : -1];
  },
  Lookup: (f) => (i) => [f.assignment[Number(i)], f.signs ? f.signs[Number(i)] : 1],
  Compose: (f) => {
    const [inner, outer] = [rule(f.inner), rule(f.outer)];
    return (i) => {
      const [middle, sign] = inner(i);
      const [bucket, other] = outer(BigInt(middle));
      return [bucket, sign * other || 0];
    };
  },
};
const rule = (f) => HASHES[f.type](f);

// A virtual weight: its shape, and [bucket, sign] of every entry, row-major.
function virtual(w) {
  const size = w.shape.reduce((a, b) => a * b, 1);
  const hash = rule(w.hash);
  const domain = { Identity: w.hash.buckets, Lookup: w.hash.assignment?.length }[w.hash.type];
  if (domain !== undefined && w.first_id + size > domain) throw new RangeError("beyond the hash");
  const entries = [];
  for (let e = 0; e < size; e++) {
    const [rows, columns] = [w.shape[0], w.shape[1]];
    const own = w.transposed ? (e % columns) * rows + Math.floor(e / columns) : e;
    entries.push(hash(BigInt(w.first_id) + BigInt(own)));
  }
  return { shape: w.shape, entries };
}
const read = (w, table) => w.entries.map(([k, sign]) => (sign ? sign * table[k] : 0));
function shaped(flat, shape) {
  if (shape.length === 1) return flat;
  const size = flat.length / shape[0];
  return Array.from({ length: shape[0] }, (_, r) =>
    shaped(flat.slice(r * size, (r + 1) * size), shape.slice(1)));
}
function scatter(w, dV, buckets) {
  const dtable = new Array(buckets).fill(0);
  w.entries.forEach(([k, sign], e) => (dtable[k] += sign * dV[e]));
  return dtable;
}
const entriesOf = (hash) => (hash.type === "Compose" ? entriesOf(hash.outer) : hash.buckets);
const product = (x, V) => x.map((row) => V.map((own) => row.reduce((s, v, i) => s + v * own[i], 0)));
const transpose = (A) => A[0].map((_, j) => A.map((row) => row[j]));

function denseBackward(w, table, x, dy) {
  const V = shaped(read(w, table), w.shape);
  const dV = product(transpose(dy), transpose(x));
  return { dx: product(dy, transpose(V)), dV: dV.flat() };
}

const LAYERS = {
  ReLU: ({ x, dy }) => ({
    y: x.map((row) => row.map((v) => Math.max(v, 0))),
    dx: x.map((row, b) => row.map((v, k) => (v > 0 ? dy[b][k] : 0))),
    grads: {},
  }),
  Dense: ({ layer, params, x, dy }) => {
    const w = virtual(layer.weight), grads = {};
    const table = params[layer.weight.table];
    let y = product(x, shaped(read(w, table), w.shape));
    const { dx, dV } = denseBackward(w, table, x, dy);
    grads[layer.weight.table] = scatter(w, dV, table.length);
    if (layer.bias) {
      const b = virtual(layer.bias), name = layer.bias.table;
      const vector = read(b, params[name]);
      y = y.map((row) => row.map((v, o) => v + vector[o]));
      const sums = transpose(dy).map((column) => column.reduce((s, v) => s + v, 0));
      const own = scatter(b, sums, params[name].length);
      grads[name] = grads[name] ? grads[name].map((v, k) => v + own[k]) : own;
    }
    return { y, dx, grads };
  },
};

const ids = (q) => q.identifiers.map(BigInt);
const OPS = {
  xxh32: (q) => ({
    hashes: q.bytes
      ? q.bytes.map((text) => xxh32([...Buffer.from(text, "hex")], q.seed))
      : ids(q).map((i) => h(q.seed, i)),
  }),
  stream: (q) => ({ streams: q.names.map((name) => stream(q.seed, name)) }),
  uniform: (q) => ({ uniforms: ids(q).map((i) => u(q.seed, i)) }),
  scale: (q) => ({ scaled: q.words.map((word) => scale(word, q.n)) }),
  sign: (q) => ({ signs: ids(q).map((i) => coin(q.seed, i)) }),
  hash: (q) => {
    const pairs = ids(q).map(rule(q.hash));
    return { buckets: pairs.map((p) => p[0]), signs: pairs.map((p) => p[1]) };
  },
  gather: (q) => {
    const w = virtual(q.weight);
    return { V: shaped(read(w, q.table), w.shape) };
  },
  scatter_add: (q) => ({
    dtable: scatter(virtual(q.weight), q.dV.flat(Infinity), entriesOf(q.weight.hash)),
  }),
  matmul: (q) => {
    const w = virtual(q.weight);
    return { y: product(q.x, shaped(read(w, q.table), w.shape)) };
  },
  matmul_backward: (q) => {
    const w = virtual(q.weight);
    const { dx, dV } = denseBackward(w, q.table, q.x, q.dy);
    return { dx, dtable: scatter(w, dV, q.table.length) };
  },
  gather_rows: (q) => {
    const w = virtual(q.weight), V = shaped(read(w, q.table), w.shape);
    return { E: q.rows.map((r) => V[r]) };
  },
  scatter_add_rows: (q) => {
    const w = virtual(q.weight), dV = w.entries.map(() => 0), n = w.shape[1];
    q.rows.forEach((r, t) => q.dE[t].forEach((v, j) => (dV[r * n + j] += v)));
    return { dtable: scatter(w, dV, entriesOf(q.weight.hash)) };
  },
  layer: (q) => LAYERS[q.layer.type](q),
  dropout: (q) => {
    const size = q.shape.reduce((a, b) => a * b, 1), seed = stream(q.seed, "dropout");
    const threshold = Math.floor(q.rate * 2 ** 32), step = BigInt(q.step) << 32n;
    const kept = (e) => (h(seed, BigInt(e) + step) >= threshold ? 1 : 0);
    return { kept: Array.from({ length: size }, (_, e) => kept(e)) };
  },
  initial_table: (q) => {
    const seed = stream(q.seed, "init/" + q.table);
    const values = Array.from({ length: q.entries }, (_, k) => q.bound * (2 * u(seed, k) - 1));
    return { values, float32_bits: [...new Uint32Array(new Float32Array(values).buffer)] };
  },
  epoch_order: (q) => {
    const seed = stream(q.seed, "epoch"), epoch = BigInt(q.epoch) << 32n;
    const words = Array.from({ length: q.count }, (_, i) => h(seed, BigInt(i) + epoch));
    return { order: words.map((_, i) => i).sort((a, b) => words[a] - words[b]) };
  },
  batches: (q) => {
    const parts = [];
    for (let k = 0; k < q.order.length; k += q.batch_size)
      parts.push(q.order.slice(k, k + q.batch_size));
    if (parts.length > 1 && parts.at(-1).length === 1) parts.at(-2).push(...parts.pop());
    return { batches: parts };
  },
  file_read: (q) => {
    const file = Buffer.from(q.file, "hex");
    const n = Number(file.readBigUInt64LE(0)), text = file.subarray(8, 8 + n).toString("utf8");
    if (8 + n > file.length) throw new RangeError("a header longer than the file");
    const header = JSON.parse(text), metadata = header.__metadata__;
    if (metadata.version !== "1" || metadata.format !== "minihash") throw new Error("version");
    const at = text.indexOf('"digest":"') + 10;
    const zeroed = Buffer.from(file);
    zeroed.fill("0", 8 + at, 8 + at + 64);
    const digest = require("crypto").createHash("sha256").update(zeroed).digest("hex");
    if (digest !== metadata.digest) throw new Error("digest");
    const kinds = {
      F32: ["readFloatLE", 4], F64: ["readDoubleLE", 8], U8: ["readUInt8", 1],
      U32: ["readUInt32LE", 4],
    };
    const arrays = {};
    for (const [name, entry] of Object.entries(header)) {
      if (name === "__metadata__") continue;
      const [method, size] = kinds[entry.dtype], values = [];
      for (let k = entry.data_offsets[0]; k < entry.data_offsets[1]; k += size)
        values.push(file[method](8 + n + k));
      arrays[name] = [entry.dtype, entry.shape, values];
    }
    return { spec: JSON.parse(metadata.spec), arrays };
  },
};

const ofTypes = (op, table) => Object.keys(table).map((type) => `${op}:${type}`);
const overHashes = ["hash", "gather", "scatter_add", "matmul", "matmul_backward", "gather_rows",
  "scatter_add_rows"];
const plain = Object.keys(OPS).filter((op) => op !== "layer" && !overHashes.includes(op));
const claims = [...plain, ...overHashes.flatMap((op) => ofTypes(op, HASHES)),
  ...ofTypes("layer", HASHES), ...ofTypes("layer", LAYERS)];

require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const q = JSON.parse(line);
  let found;
  if (q.op === "hello") found = { name: `JavaScript on node ${process.version}`, claims };
  else
    try {
      found = OPS[q.op](q);
    } catch (error) {
      found = { error: String(error.message) };
    }
  console.log(JSON.stringify(found));
});
