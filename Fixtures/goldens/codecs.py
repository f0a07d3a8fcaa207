# SPDX-License-Identifier: Apache-2.0
"""Makes the goldens of the codecs of few bits: records as their documentation states them, and the numbers that they
stand for, in double precision and without a look at the code under test.

    pip install numpy
    python Fixtures/goldens/codecs.py
"""

import hashlib
import json
import pathlib
import struct

import numpy as np

HERE = pathlib.Path(__file__).parent
LEVELS = np.array([-115, -90, -71, -55, -41, -29, -18, -7, 4, 16, 28, 41, 56, 72, 94, 127], float)


def half(x):
    return np.asarray(x, float).astype(np.float16)


def half_up(x):
    """The least fp16 number that reaches x."""
    h = half(x)
    return np.where(h.astype(float) < x, np.nextafter(h, np.float16(np.inf)), h)


def half_down(x):
    return -half_up(-np.asarray(x, float))


def joined(header, sections):
    record = bytearray(header)
    for section in sections:
        record += bytes(-len(record) % 16) + section
    return bytes(record)


def header(*fields):
    return struct.pack("<B3x3I", 1, *(list(fields) + [0, 0, 0])[:3])


def le(x, kind):
    return np.ascontiguousarray(x).astype(kind).tobytes()


def packed(rows, bits):
    """Rows of numbers, each filled up with zeros to whole bytes."""
    each = 8 // bits
    rows = np.pad(np.asarray(rows, np.uint8), ((0, 0), (0, -rows.shape[1] % each)))
    parts = rows.reshape(len(rows), -1, each).astype(int) << (bits * np.arange(each))
    return le(parts.sum(-1), "u1")


def q8(rows):
    """Scales and numbers of flat rows, 32 at a time, and what they stand for."""
    flat = rows.reshape(-1)
    scales, numbers, out = [], [], []
    for first in range(0, len(flat), 32):
        block = flat[first : first + 32]
        scale = half_up(np.abs(block).max() / 127)
        q = np.rint(block / float(scale)) if scale > 0 else np.zeros(len(block))
        scales.append(scale)
        numbers.append(q)
        out.append(q * float(scale))
    return le(scales, "<f2"), le(np.concatenate(numbers), "i1"), np.concatenate(out).reshape(rows.shape)


def hadamard(rows):
    """Rotates the last axis in blocks of the largest power of two that divides it."""
    d = rows.shape[-1]
    b = d & -d
    matrix = np.ones((1, 1))
    while len(matrix) < b:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return (rows.reshape(*rows.shape[:-1], d // b, b) @ matrix / np.sqrt(b)).reshape(rows.shape)


def q4(x):
    """Means, scales and numbers of (token, head, dim), and what they stand for."""
    mean = half(x.mean(0)).astype(float)
    rows = hadamard(x - mean).reshape(len(x), -1)
    middles = (LEVELS[1:] + LEVELS[:-1]) / 2
    scales, numbers, out = [], np.zeros(rows.shape, int), np.zeros(rows.shape)
    for t, row in enumerate(rows):
        for first in range(0, len(row), 32):
            block = row[first : first + 32]
            extreme, best = block[np.abs(block).argmax()], None
            for factor in (1, 0.95, 1.05, 0.9, 1.1):
                for sign in (1, -1):
                    scale = float(half(sign * extreme * factor / 127))
                    q = np.searchsorted(middles, block / scale)
                    error = ((block - scale * LEVELS[q]) ** 2).sum()
                    if best is None or error < best[0]:
                        best = (error, scale, q)
            scales.append(best[1])
            numbers[t, first : first + 32] = best[2]
            out[t, first : first + 32] = best[1] * LEVELS[best[2]]
    return le(mean, "<f2"), le(scales, "<f2"), packed(numbers, 4), hadamard(out.reshape(x.shape)) + mean


def k8v4(keys, values):
    mean = half(keys.mean(0)).astype(float)
    scales, numbers, k = q8(keys - mean)
    means, value_scales, value_numbers, v = q4(values)
    sections = [le(mean, "<f2"), scales, means, value_scales, numbers, value_numbers]
    return joined(header(), sections), k + mean, v


def q4_codec(keys, values):
    whole, rest = [x[:4] for x in (keys, values)], [q4(x[4:]) for x in (keys, values)]
    sections = [r[0] for r in rest] + [le(w, "<f2") for w in whole] + [r[1] for r in rest] + [r[2] for r in rest]
    k, v = (np.concatenate([half(w).astype(float), r[3]]) for w, r in zip(whole, rest))
    return joined(header(), sections), k, v


def affine(x, axis, bits):
    """Least, scale and numbers of x over an axis."""
    least = half_down(x.min(axis, keepdims=True)).astype(float)
    scale = half_up((x.max(axis, keepdims=True) - least) / (2**bits - 1)).astype(float)
    q = np.rint(np.divide(x - least, scale, out=np.zeros_like(x), where=scale + 0 * x > 0))
    return least, scale, q


def zipcache(keys, values, saliency, share=0.6):
    n = len(keys)
    salient = np.zeros(n, bool)
    salient[np.argsort(-np.asarray(saliency), kind="stable")[: int(np.ceil(n * share))]] = True
    keys2, values2 = keys.reshape(n, -1), values.reshape(n, -1)
    k, v = np.zeros(keys2.shape), np.zeros(keys2.shape)
    channels = half(np.sqrt(np.abs(values2).max(0))).astype(float)
    columns, key_rows, value_rows, scales, leasts = [], [], [], np.zeros(n), np.zeros(n)
    for rows, bits in ((salient, 4), (~salient, 2)):
        least, scale, q = affine(keys2[rows], 0, bits)
        columns += [le(scale, "<f2"), le(least, "<f2")]
        key_rows.append(packed(q, bits))
        k[rows] = q * scale + least
        least, scale, q = affine(values2[rows] / channels, 1, bits)
        scales[rows], leasts[rows] = scale[:, 0], least[:, 0]
        value_rows.append(packed(q, bits))
        v[rows] = (q * scale + least) * channels
    mask = np.packbits(salient, bitorder="little").tobytes()
    sections = [mask, *columns, le(channels, "<f2"), le(scales, "<f2"), le(leasts, "<f2"), *key_rows, *value_rows]
    return joined(header(int(salient.sum())), sections), k.reshape(keys.shape), v.reshape(keys.shape)


def basis_of(rng, heads, dim, ranks):
    """A basis of two layers with orthonormal directions of no meaning, and its bytes."""
    count = len(ranks)
    means = rng.normal(size=(count, dim)).astype(np.float32)
    directions = [np.linalg.qr(rng.normal(size=(dim, dim)))[0].T[:r].astype(np.float32) for r in ranks]
    body = b"TLRB" + struct.pack("<4I", 1, 2, heads, dim) + le(ranks, "<u4") + le(means, "<f4")
    body += b"".join(le(d, "<f4") for d in directions)
    return means.astype(float), [d.astype(float) for d in directions], body + hashlib.sha256(body).digest()


def lowrank(keys, values, basis, layer):
    means, directions, data = basis
    n, heads, _ = keys.shape
    scales, numbers, out = [], [], []
    for part, x in enumerate((keys, values)):
        own = [(2 * layer + part) * heads + h for h in range(heads)]
        c = np.concatenate([(x[:, h] - means[i]) @ directions[i].T for h, i in enumerate(own)], axis=1)
        coded = [q8(row) for row in c]
        scales.append(b"".join(r[0] for r in coded))
        numbers.append(b"".join(r[1] for r in coded))
        decoded, start = np.zeros(x.shape), 0
        for h, i in enumerate(own):
            rank = len(directions[i])
            rows = np.array([r[2][start : start + rank] for r in coded]).reshape(n, rank)
            decoded[:, h] = means[i] + rows @ directions[i]
            start += rank
        out.append(decoded)
    digest = struct.unpack("<2I", data[-32:][:8])
    return joined(header(layer, *digest), scales + numbers), *out


def shortest(x):
    return [float(np.format_float_positional(v, unique=True)) for v in np.asarray(x, np.float32).reshape(-1)]


def main():
    rng = np.random.default_rng(20)
    goldens = []
    for heads, dim, tokens in ((2, 24, 7), (1, 32, 9)):
        bias = rng.normal(size=(heads, dim)) * 3
        keys, values = ((rng.normal(size=(tokens, heads, dim)) + m).astype(np.float32) for m in (bias, bias / 5))
        saliency = rng.normal(size=tokens).astype(np.float32)
        ranks = rng.integers(0, dim + 1, size=4 * heads)
        basis = basis_of(rng, heads, dim, ranks)
        k, v = keys.astype(float), values.astype(float)
        made = {
            "k8v4": k8v4(k, v), "q4": q4_codec(k, v), "zipcache": zipcache(k, v, saliency),
            "lowrank": lowrank(k, v, basis, 1),
        }
        goldens.append({
            "heads": heads, "dimension": dim, "tokens": tokens, "layer": 1, "basis": basis[2].hex(),
            "keys": shortest(keys), "values": shortest(values), "saliency": shortest(saliency),
            "codecs": [
                {"codec": name, "record": record.hex(), "keys": shortest(dk), "values": shortest(dv)}
                for name, (record, dk, dv) in made.items()
            ],
        })
    (HERE / "codecs.json").write_text(json.dumps(goldens, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
