"""Timing side by side: the candidates take turns, so that a machine that changes its speed does so for all of them."""

import os
import platform
import time
from importlib.metadata import version
from statistics import median


def side_by_side(candidates, rounds=7, fewer=None, seen=None):
    """Seconds of each candidate, name -> {median, least, greatest, over_first, rounds}: a warm-up, then turns.

    candidates: name -> function without arguments. over_first: the median over rounds of its time over the first one's.
    fewer: name -> rounds, for candidates that take long and sit out the rest. seen: takes the name and what the
    candidate returned in the warm-up.
    """
    for name, function in candidates.items():
        value = function()
        if seen is not None:
            seen(name, value)
        del value
    seconds = {name: [] for name in candidates}
    for done in range(rounds):
        for name, function in candidates.items():
            if fewer is None or done < fewer.get(name, rounds):
                begin = time.perf_counter()
                function()
                seconds[name].append(time.perf_counter() - begin)
    first = next(iter(seconds.values()))
    return {name: {"median": median(times), "least": min(times), "greatest": max(times),
                   "over_first": median(t / f for t, f in zip(times, first)), "rounds": len(times)}
            for name, times in seconds.items()}


def machine(*packages):
    """What a record has to say about where it was made."""
    return {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version(),
            "versions": {name: version(name) for name in packages}}
