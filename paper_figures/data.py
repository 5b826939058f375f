"""The numbers that a figure shows, to compare two drawings of it."""

import numpy as np

CLOSE = 1e-5  # the relative difference that another processor may make


def plotted(figure):
    """Every array that the figure's axes show: of lines, points, images and patches, in the order of drawing."""
    found = []
    for ax in figure.axes:
        for line in ax.lines:
            found += [line.get_xdata(orig=False), line.get_ydata(orig=False)]
        for points in ax.collections:
            found += [points.get_offsets(), *([] if points.get_array() is None else [points.get_array()])]
        for image in ax.images:
            found += [image.get_array(), image.get_extent()]
        found += [patch.get_path().vertices for patch in ax.patches]
    return [np.ma.filled(np.ma.asarray(array, dtype=float), np.nan) for array in found]


def fingerprint(figure):
    """(size, mean, mixture) of each array: the mean of its absolute values, and a weighted sum over theirs."""
    return [_fingerprint(np.nan_to_num(array.ravel(), posinf=0, neginf=0)) for array in plotted(figure)]


def alike(one, other):
    """Whether two fingerprints are those of the same data, up to what another processor rounds."""
    return len(one) == len(other) and all(
        a[0] == b[0] and abs(a[1] - b[1]) <= CLOSE * max(abs(a[1]), abs(b[1])) and abs(a[2] - b[2]) <= CLOSE
        for a, b in zip(one, other))


def _fingerprint(values):
    total = np.abs(values).sum()
    mixture = np.cos(np.arange(values.size)) @ values / total if total else 0.0
    return values.size, float(f"{total / max(values.size, 1):.8g}"), float(f"{mixture:.8g}")
