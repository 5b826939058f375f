"""Timing in turns: the candidates alternate, so that a change in the speed of the machine affects all of them."""

import os
import platform
import time
from importlib.metadata import version
from statistics import median


def side_by_side(candidates, rounds=7, fewer=None, seen=None):
    """Seconds of each candidate, name -> {median, least, greatest, over_first, rounds}, after a warm-up.

    candidates: name -> function without arguments. over_first: the median over rounds of its time divided by that of
    the first candidate. fewer: name -> number of rounds, for slow candidates. seen: called with the name and the result
    of each candidate in the warm-up.
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
    """The machine and versions that a record was measured with."""
    return {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version(),
            "versions": {name: version(name) for name in packages}}
