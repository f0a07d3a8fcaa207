# SPDX-License-Identifier: Apache-2.0
"""Makes the goldens of the presses: small random layers, and what presses and budgets make of them in float64.

    pip install numpy
    python Fixtures/goldens/presses.py

Written from the papers' formulas as the presses' documentation states them. Inputs are whole numbers in the file, to be
divided by 10^4 (10^6 for attention) and rounded to float32, so that both sides see the same numbers; everything behind
them is float64 here. A score of null is infinite: the token is protected. Arrays are flat; the shapes stand in
`PressGoldens.swift`.
"""

import json
import math
import pathlib
from fractions import Fraction

import numpy as np

HERE = pathlib.Path(__file__).parent
NUMBERS, ATTENTION = 10**4, 10**6


def given(array, scale=NUMBERS):
    """The numbers as the file holds them, and as float32 makes them."""
    whole = np.rint(np.asarray(array) * scale).astype(int)
    return whole.ravel().tolist(), (whole / scale).astype(np.float32).astype(np.float64)


def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def compact(scores):
    return [None if math.isinf(x) else float(f"{x:.8g}") for x in np.asarray(scores, float).ravel()]


# Rotary position embedding, as matrices.


def rotation(position, frequencies, dimension, pairing):
    """The d × d matrix that turns a vector at a position; angles are fp32, as in the table."""
    matrix = np.eye(dimension)
    pairs = len(frequencies)
    for i, frequency in enumerate(frequencies):
        angle = float(np.float32(position) * np.float32(frequency))
        a, b = (2 * i, 2 * i + 1) if pairing == "interleaved" else (i, i + pairs)
        matrix[[a, a, b, b], [a, b, a, b]] = math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)
    return matrix


# Scores. Keys and values are (token, KV head, dimension), attention (window token, query head, token).


def pooled(row, kernel):
    return np.convolve(row, np.full(kernel, 1 / kernel), mode="same") if row.size >= kernel else np.array(
        [sum(row[j] for j in range(len(row)) if abs(i - j) <= kernel // 2) / kernel for i in range(len(row))])


def votes(attention, window, kernel):
    """(query head, token in front of the window)."""
    summed = attention.sum(axis=0)[:, :-window]
    return np.stack([pooled(row, kernel) for row in summed])


def behind(front, window):
    return np.concatenate([front, np.full(window, np.inf)])


def by_group(heads, kv_heads):
    return heads.reshape(kv_heads, -1, heads.shape[-1]).mean(axis=1)


def snapkv(layer, kernel):
    grouped = by_group(votes(layer["attention"], layer["window"], kernel), layer["kv_heads"])
    return [behind(row, layer["window"]) for row in grouped]


def compresskv(layer, kernel, heads, strength=None):
    window = layer["window"]
    if strength is not None and strength < 0.2:
        return snapkv(layer, kernel)
    front = votes(layer["attention"], window, kernel)[heads].mean(axis=0)
    if strength:
        tokens = layer["received"].shape[-1]
        reading = layer["received"][heads].mean(axis=0) / np.arange(tokens, 0, -1)
        front = front / front[4:].max() + strength * reading[:-window] / reading[4:-window].max()
    return [behind(front, window)]


def tova(layer):
    return [behind(layer["attention"][-1, :, :-1].mean(axis=0), 1)]


def h2o(layer, budget, recent):
    scores = by_group(layer["received"], layer["kv_heads"])
    last = int(budget * recent)
    scores[:, scores.shape[1] - last:] = np.inf
    return scores


def keydiff(layer):
    result = []
    for keys in layer["keys"].transpose(1, 0, 2):
        anchor = (keys / np.linalg.norm(keys, axis=1, keepdims=True)).mean(axis=0)
        result.append(-(keys @ anchor) / (np.linalg.norm(keys, axis=1) * np.linalg.norm(anchor)))
    return result


def lagkv(layer, sinks, lag):
    tokens = layer["tokens"]
    result = []
    for head in range(layer["kv_heads"]):
        scores = np.ones(tokens)
        whole = (tokens - sinks) // lag
        parts = [np.arange(sinks + i * lag, sinks + (i + 1) * lag) for i in range(whole)]
        for part, following in zip(parts, parts[1:]):
            raw = 0
            for rows in (layer["keys"][:, head], layer["values"][:, head]):
                least, most = rows[following].min(axis=0), rows[following].max(axis=0)
                raw = raw + softmax(((rows[part] - least) / (most - least)).std(axis=1, ddof=1)) / 2
            assert np.diff(np.sort(raw)).min() > 1e-7, "two tokens of a partition score alike; take another seed"
            scores[part[np.argsort(raw)]] = np.arange(lag) / lag
        result.append(scores)
    return result


def expected(layer, rotary, horizon, epsilon, sinks):
    dimension, group = layer["dimension"], layer["query_heads"] // layer["kv_heads"]
    start = int(layer["positions"].max()) + 1
    mean_rotation = np.mean(
        [rotation(start + i, rotary["frequencies"], dimension, rotary["pairing"]) for i in range(horizon)], axis=0)
    result = []
    for head in range(layer["kv_heads"]):
        keys, values = layer["keys"][:, head], layer["values"][:, head]
        shares = []
        for query_head in range(head * group, (head + 1) * group):
            queries = layer["queries"][sinks:, query_head]
            mean = mean_rotation @ queries.mean(axis=0)
            covariance = mean_rotation @ np.cov(queries.T, bias=True) @ mean_rotation.T
            logits = keys @ mean / math.sqrt(dimension) + np.einsum("ti,ij,tj->t", keys, covariance, keys) / (
                2 * dimension)
            shares.append(softmax(logits))
        scores = (np.mean(shares, axis=0) + epsilon) * np.linalg.norm(values, axis=1)
        scores[:sinks] = np.inf
        result.append(scores)
    return result


def kvzip(layer, sinks):
    scores = layer["repeated"].reshape(layer["kv_heads"], -1, layer["tokens"]).max(axis=1)
    scores[:, :sinks] = np.inf
    return scores


def streamingllm(tokens, sinks):
    return [np.where(np.arange(tokens) < sinks, np.inf, np.arange(tokens))]


def span_projector(keys, rank, basis):
    """QQᵀ of the subspace of some keys: by SVD, by pivoted QR (greedily, largest rest first), by the first keys."""
    rank = min(rank, *keys.shape)
    if basis == "singularVectors":
        right = np.linalg.svd(keys, full_matrices=False)[2][:rank]
        return right.T @ right
    if basis == "firstKeys":
        columns = keys[:rank]
    else:
        rest, columns = keys.copy(), []
        for _ in range(rank):
            chosen = int(np.argmax(np.linalg.norm(rest, axis=1)))
            columns.append(keys[chosen])
            unit = rest[chosen] / np.linalg.norm(rest[chosen])
            rest = rest - np.outer(rest @ unit, unit)
        columns = np.stack(columns)
    return np.linalg.pinv(columns) @ columns


def guikv(layer, rotary, frames, budget, *, saliency, temperature, rank, basis, rotated, kernel, earlier=0,
          redundancy="forgotten"):
    tokens, dimension, window = layer["tokens"], layer["dimension"], layer["window"]
    keys = layer["keys"]
    if not rotated:
        keys = np.stack([
            row @ rotation(position, rotary["frequencies"], dimension, rotary["pairing"])  # from the left: transposed
            for row, position in zip(keys, layer["positions"])])
    current, past = frames[-1], np.concatenate([np.arange(*frame) for frame in frames[:-1]])
    salient = np.zeros(tokens)
    for frame in frames:
        norms = layer["norms"][slice(*frame)]
        z = (norms - norms.mean()) / (norms.std(ddof=1) + 1e-8)
        salient[slice(*frame)] = saliency * (1 if frame == current else earlier) * softmax(z / temperature)
    grouped = by_group(votes(layer["attention"], window, kernel), layer["kv_heads"])
    result, rests = [], []
    for head, scores in enumerate(grouped):
        full = np.concatenate([scores, np.zeros(window)])
        projector = span_projector(keys[slice(*current), head], rank, basis)
        rest = np.linalg.norm(keys[past, head] - keys[past, head] @ projector, axis=1)
        count = math.floor((1 - Fraction(budget, tokens)) * len(past))
        order = np.argsort(rest)
        assert rest[order[count]] - rest[order[count - 1]] > 1e-4, "the cut is too close; take another seed"
        again = past[order[:count]]
        extra = salient.copy()
        if redundancy != "ignored":
            extra[again] = 0
        full += extra
        if redundancy == "forgotten":
            full[again] = 0
        full[tokens - window:] = np.inf
        result.append(full)
        rests.append(rest)
    return result, rests


# Budgets.


def hand_out(counts, total, order, least, most):
    """One each by order until the total is right; when taking, against it."""
    counts = list(counts)
    step = 1 if sum(counts) < total else -1
    while sum(counts) != total:
        for layer in (order if step > 0 else order[::-1]):
            if sum(counts) != total and least <= counts[layer] + step <= most:
                counts[layer] += step
    return counts


def pyramid(mean, tokens, layers, steepness, window):
    share = mean - window
    least = max(1, share // steepness)
    most = 2 * share - least
    if most + window > tokens:
        most = tokens - window
        least = 2 * share - most
    steps = [Fraction(i * (most - least), layers - 1) for i in range(layers)]
    counts = [window + most - math.floor(step + Fraction(1, 2)) for step in steps]
    return hand_out(counts, mean * layers, list(range(layers)), window + 1, tokens)


def by_errors(errors, mean, tokens, least):
    layers, most = len(errors), min(3 * mean, tokens)
    counts = [min(max(least + int(np.round(e * layers * (mean - least))), least), most) for e in errors]
    order = sorted(range(layers), key=lambda layer: (-errors[layer], layer))
    return hand_out(counts, mean * layers, order, least, most)


def threshold(layers, mean, least):
    best = [np.sort(np.max(heads, axis=0))[::-1] for heads in layers]
    others = np.sort(np.concatenate([scores[least:] for scores in best]))[::-1]
    free = len(layers) * (mean - least)
    bar = others[free - 1]
    assert bar - others[free] > 1e-7
    return [least + int((scores[least:] >= bar).sum()) for scores in best]


# Agreement, and the sets.


def top(scores, count):
    """The highest, ascending; of equal ones the later."""
    scores = np.asarray(scores, float)
    order = sorted(range(len(scores)), key=lambda i: (scores[i], i), reverse=True)
    inside, outside = scores[order[count - 1]], scores[order[count]] if count < len(scores) else -np.inf
    gap = inside - outside if inside != outside else 0
    assert gap == 0 or gap > 3e-6 * abs(inside), "the cut is too close; take another seed"
    return sorted(order[:count])


def shared(heads, reduction):
    heads = np.asarray(heads)
    return np.where(np.isinf(heads).any(axis=0), np.inf, reduction(heads, axis=0))


def plans(layers, counts, mean, reduction):
    """The sets of the three agreements: of each head, of each layer, of the prompt."""
    return {
        "scored": [[top(head, count) for head in heads] for heads, count in zip(layers, counts)],
        "layer": [[top(shared(heads, reduction), count)] for heads, count in zip(layers, counts)],
        "prompt": [[top(shared([head for heads in layers for head in heads], reduction), mean)]] * len(layers),
    }


# Calibration.


def retrieval_scores(attention, counted, span):
    return sum(row[:, slice(*span)].sum(axis=1) for row, counts in zip(attention, counted) if counts)


def eviction_error(full, part, epsilon):
    return sum(np.linalg.norm(b - a) / (np.linalg.norm(a) + epsilon) for a, b in zip(full, part))


# Layers to press.


def make_layer(random, shape, rotary, window, observers):
    """Keys and queries that mostly look at the first tokens, at themselves, and at some few others."""
    tokens, query_heads, kv_heads, dimension = shape
    group = query_heads // kv_heads
    positions = rotary["start"] + np.arange(tokens) + 7 * (np.arange(tokens) > tokens // 3)
    turns = [rotation(p, rotary["frequencies"], dimension, rotary["pairing"]) for p in positions]
    keys = random.normal(size=(tokens, kv_heads, dimension)) * random.gamma(2, 0.5, size=(tokens, 1, 1)) + 0.4
    queries = random.normal(size=(tokens, query_heads, dimension)) + random.normal(size=(query_heads, dimension)) * 0.7
    keys = np.einsum("tij,thj->thi", turns, keys)
    written, layer = {}, {
        "tokens": tokens, "query_heads": query_heads, "kv_heads": kv_heads, "dimension": dimension, "window": window,
        "positions": positions}
    written["keys"], layer["keys"] = given(keys)
    written["values"], layer["values"] = given(random.normal(size=keys.shape))
    if observers:
        written["queries"], layer["queries"] = given(queries)
        turned = np.einsum("tij,thj->thi", turns, layer["queries"])
        logits = np.einsum("qhd,khd->hqk", turned, np.repeat(layer["keys"], group, axis=1)) / math.sqrt(dimension)
        causal = np.tril(np.ones((tokens, tokens), bool))
        attention = softmax(np.where(causal, logits, -np.inf))
        written["attention"], layer["attention"] = given(attention[:, -window:].transpose(1, 0, 2), ATTENTION)
        written["received"], layer["received"] = given(attention.sum(axis=1))
        again = np.concatenate([logits, logits + 0.3 * random.normal(size=logits.shape)], axis=2)
        again = softmax(np.where(np.concatenate([np.ones_like(causal), causal], axis=1), again, -np.inf))
        written["repeated"], layer["repeated"] = given(again[:, :, :tokens].max(axis=1), ATTENTION)
        written["norms"], layer["norms"] = given(random.gamma(9, 1, size=tokens))
    return written, layer


def frequencies(pairs, dimensions):
    return [float(np.float32(10000.0 ** (-2 * i / dimensions))) for i in range(pairs)]


def scene(seed, layers, shape, rotary, window, observers=True):
    random = np.random.default_rng(seed)
    made = [make_layer(random, shape, rotary, window, observers) for _ in range(layers)]
    tokens, query_heads, kv_heads, dimension = shape
    written = {
        "tokens": tokens, "queryHeads": query_heads, "heads": kv_heads, "dimension": dimension, "window": window,
        "positions": made[0][1]["positions"].tolist(),
        "frequencies": rotary["frequencies"], "pairing": rotary["pairing"], "layers": [layer for layer, _ in made]}
    return written, [layer for _, layer in made]


def main():
    # Three layers of grouped heads, with frames; one layer without groups, of partial rotary; one long enough to lag.
    halves = {"frequencies": frequencies(4, 8), "pairing": "halves", "start": 3}
    partial = {"frequencies": frequencies(5, 10), "pairing": "interleaved", "start": 0}
    grouped, layers = scene(7, 3, (64, 8, 2, 8), halves, 8)
    single, lone = scene(8, 1, (40, 4, 4, 16), partial, 5)
    whole = {"frequencies": frequencies(3, 6), "pairing": "interleaved", "start": 0}
    long, lagging = scene(9, 1, (150, 2, 2, 6), whole, 8, observers=False)
    frames, heads, mean = [[6, 22], [22, 40], [44, 60]], [[0, 3, 5, 6], [7, 2, 1, 4], [6, 5, 0, 2]], 24
    cases = []

    def case(scene, press, made, scores, budget=mean, counts=None, **options):
        scores = [np.asarray(heads, float) for heads in scores]
        case = {
            "scene": scene, "press": press, "options": options, "budget": budget,
            "scores": [[compact(head) for head in heads] for heads in scores]}
        reduction = np.max if press == "kvzip" else np.mean
        cases.append(case | {"kept": plans(scores, counts or [budget] * len(scores), budget, reduction)})

    for name, of, rotary in (("grouped", layers, halves), ("single", lone, partial)):
        case(name, "snapkv", of, [snapkv(layer, 5) for layer in of], kernel=5)
        case(name, "tova", of, [tova(layer) for layer in of])
        case(name, "h2o", of, [h2o(layer, mean, 0.5) for layer in of], recent=0.5)
        case(name, "keydiff", of, [keydiff(layer) for layer in of])
        case(name, "expected", of, [expected(layer, rotary, 64, 0.01, 4) for layer in of],
             horizon=64, epsilon=0.01, sinks=4)
        case(name, "kvzip", of, [kvzip(layer, 4) for layer in of], sinks=4)
        case(name, "streamingllm", of, [streamingllm(layer["tokens"], 4) for layer in of], sinks=4)
    case("grouped", "snapkv", layers, [snapkv(layer, 7) for layer in layers],
         counts=pyramid(mean, 64, 3, 20, 8), kernel=7)
    case("grouped", "compresskv", layers, [compresskv(layer, 5, voting) for layer, voting in zip(layers, heads)],
         kernel=5, heads=heads)
    strengths = [0.25, 1, 0.1]
    case("grouped", "compresskv", layers,
         [compresskv(layer, 5, voting, strength) for layer, voting, strength in zip(layers, heads, strengths)],
         kernel=5, heads=heads, strengths=strengths)
    case("long", "lagkv", lagging, [lagkv(layer, 4, 32) for layer in lagging], budget=60, sinks=4, lag=32)
    case("long", "lagkv", lagging, [lagkv(layer, 0, 48) for layer in lagging], budget=60, sinks=0, lag=48)
    rests = []
    for basis in ("singularVectors", "pivotedQR", "firstKeys"):
        for rotated in (False, True):
            options = dict(saliency=2, temperature=3.5, rank=3, basis=basis, rotated=rotated, kernel=5)
            made = [guikv(layer, halves, frames, mean, **options) for layer in layers]
            case("grouped", "gui-kv", layers, [scores for scores, _ in made], **options)
            rests.append({"basis": basis, "rotated": rotated, "rank": 3,
                          "residuals": [[compact(rest) for rest in rests] for _, rests in made]})

    for redundancy in ("forgotten", "dulled", "ignored"):
        options = dict(saliency=1, temperature=0.5, rank=3, basis="singularVectors", rotated=False, kernel=7, earlier=0.2,
                       redundancy=redundancy)
        made = [guikv(layer, halves, frames, mean, **options) for layer in layers]
        case("grouped", "gui-kv", layers, [scores for scores, _ in made], **options)

    errors = [[0.1, 0.2, 0.3, 0.4], [0.9, 0.05, 0.03, 0.02], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]]
    budgets = {
        "pyramid": [
            {"mean": mean, "tokens": tokens, "layers": count, "steepness": steepness, "window": window,
             "counts": pyramid(mean, tokens, count, steepness, window)}
            for mean, tokens, count, steepness, window in [
                (128, 1000, 4, 20, 8), (128, 1000, 32, 20, 8), (24, 64, 3, 20, 8), (60, 64, 5, 20, 8),
                (64, 64, 7, 20, 8), (9, 64, 6, 20, 8), (40, 50, 9, 3, 0), (33, 400, 2, 1, 8)]],
        "error": [
            {"errors": shares, "mean": mean, "tokens": tokens, "least": least,
             "counts": by_errors(shares, mean, tokens, least)}
            for shares in errors
            for mean, tokens, least in [(128, 4000, 32), (128, 140, 32), (33, 100, 32), (50, 50, 8)]],
        "threshold": [
            {"mean": mean, "least": least, "counts": threshold([kvzip(layer, 4) for layer in layers], mean, least)}
            for mean, least in [(24, 16), (24, 4), (40, 8)]],
    }
    random = np.random.default_rng(10)
    full_written, full = given(random.normal(size=(4, 12)))
    part_written, part = given(full + 0.2 * random.normal(size=full.shape))
    sets = [[0.2, 0.5, 0.1], [3, 1, 4], [0, 0, 0]]
    shares = np.mean([[1 / 3] * 3 if sum(one) == 0 else np.array(one) / sum(one) for one in sets], axis=0)
    counted = [True, False, True, True, False, False, False, True]
    result = {
        "scenes": {"grouped": grouped, "single": single, "long": long},
        "frames": frames,
        "cases": cases,
        "residuals": rests,
        "budgets": budgets,
        "retrieval": {"counted": counted, "span": [20, 31],
                      "scores": compact(retrieval_scores(layers[0]["attention"], counted, (20, 31)))},
        "eviction": {
            "full": full_written, "compressed": part_written, "width": 12, "epsilon": 1e-6,
            "error": eviction_error(full, part, 1e-6), "sets": sets, "shares": (shares / shares.sum()).tolist()},
    }
    path = HERE / "presses.json"
    path.write_text(json.dumps(result, separators=(",", ":"), sort_keys=True) + "\n")
    print(path, path.stat().st_size, "bytes,", len(cases), "cases")


if __name__ == "__main__":
    main()
