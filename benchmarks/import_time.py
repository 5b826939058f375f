"""Time of `import eigenkd` compared with `import numpy`, each in a new process."""

import subprocess
import sys

from benchmarks.timing import machine, side_by_side


def run():
    """The record: seconds of a process that imports NumPy, and of one that imports eigenkd."""
    seconds = side_by_side({f"import {name}": lambda name=name: subprocess.run([sys.executable, "-c", f"import {name}"],
                                                                               check=True)
                            for name in ("numpy", "eigenkd")})
    return {"question": __doc__, "seconds": seconds, "machine": machine("numpy", "eigenkd")}
