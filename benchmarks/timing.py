"""Timing side by side: the candidates take turns, so that a machine that changes its speed does so for all of them."""

import os
import platform
import time
from importlib.metadata import version
from statistics import median


def side_by_side(candidates, rounds=7):
    """Seconds of each candidate, name -> {median, least, greatest, over_first}: one warm-up, then `rounds` in turn.

    candidates: name -> function without arguments. over_first: the median over rounds of its time over the first one's.
    """
    for function in candidates.values():
        function()
    seconds = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, function in candidates.items():
            begin = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - begin)
    first = next(iter(seconds.values()))
    return {name: {"median": median(times), "least": min(times), "greatest": max(times),
                   "over_first": median(t / f for t, f in zip(times, first))} for name, times in seconds.items()}


def machine(*packages):
    """What a record has to say about where it was made."""
    return {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version(),
            "versions": {name: version(name) for name in packages}}
