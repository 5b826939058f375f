"""The code, versions and machine that a result was computed with."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

CODE = (":/eigenkd", ":/validation", ":/pyproject.toml")  # paths in the checkout that a result depends on


def provenance(device, threads, source=Path(__file__).parent):
    """The commit of `source` (None outside a checkout), versions, device and CPU threads of a result."""
    commit = _git(source, "rev-parse", "--verify", "--quiet", "HEAD")
    return {
        "commit": commit,
        "dirty": None if commit is None else bool(_git(source, "status", "--porcelain", "--", *CODE)),
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("eigenkd", "torch", "numpy", "scipy")},
        "device": device,
        "threads": threads,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
    }


def _git(folder, *arguments):
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
