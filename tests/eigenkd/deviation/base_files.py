"""Base files of llama.cpp as tests write them."""

import numpy as np


def written(path, logits, tokens, context, cap=16.0):
    """A base file as the format is described: logits (chunks, rows, V), tokens (chunks, context)."""
    chunks, _, vocabulary = logits.shape
    rows = []
    for row in logits.reshape(-1, vocabulary).astype(np.float32):
        top = row.max()
        lse = np.log(np.sum(np.exp(row - top)))
        least = max(row.min(), top - np.float32(cap))
        scale = (top - least) / 65535
        codes = np.zeros(vocabulary + vocabulary % 2, "<u2")
        if scale > 0:
            codes[:vocabulary] = np.round(np.maximum(row - least, 0) / scale)
        rows.append(np.array([scale, least - top - lse], "<f4").tobytes() + codes.tobytes())
    header = b"_logits_" + np.array([context, vocabulary, chunks], "<i4").tobytes() + tokens.astype("<i4").tobytes()
    path.write_bytes(header + b"".join(rows))
    return path


def made(path, vocabulary=7, context=9, chunks=4, seed=0, scale=2.0, **options):
    rng = np.random.default_rng(seed)
    rows = context - 1 - context // 2
    logits = scale * rng.normal(size=(chunks, rows, vocabulary)).astype(np.float32)
    tokens = np.random.default_rng(1).integers(vocabulary, size=(chunks, context))
    return written(path, logits, tokens, context, **options), logits, tokens


def changed(path, at, content):
    data = bytearray(path.read_bytes())
    data[at: at + len(content)] = content
    path.write_bytes(data)
