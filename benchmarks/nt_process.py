"""neural-tangents in the same run: a process in its own virtual environment that predicts on request.

Version 0.6.5 (2023, the last one) works with JAX up to 0.5.3: later versions have no jax.core.Jaxpr. The environment is
created on first use in .bench/, which git ignores. It takes 2.7 GB, because neural-tangents imports TensorFlow. It
needs a Python for which JAX 0.5.3 has wheels, 3.10 to 3.13.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

WORKER = Path(__file__).with_name("nt_worker.py")
ENVIRONMENT = Path(__file__).parents[1] / ".bench" / "neural_tangents"
REQUIREMENTS = ("neural-tangents==0.6.5", "jax==0.5.3", "jaxlib==0.5.3", "numpy==2.4.6", "scipy==1.17.1",
                "ml_dtypes==0.6.0", "frozendict==2.5.1", "tensorflow==2.21.0", "tf2jax==0.3.7")


def environment():
    """The Python of the environment, created if it is missing. Raises CalledProcessError if that fails."""
    python, ready = ENVIRONMENT / "bin" / "python", ENVIRONMENT / "requirements.txt"
    if not ready.exists() or ready.read_text().split() != list(REQUIREMENTS):
        print(f"  creating an environment for {REQUIREMENTS[0]} with {REQUIREMENTS[1]} (2.7 GB, once)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *REQUIREMENTS], check=True)
        ready.write_text("\n".join(REQUIREMENTS) + "\n")
    return python


class Worker:
    """Predictions (..., n, m) of gradient flow on K, y at the times; each call computes them again and waits."""

    def __init__(self, K, y, times):
        with tempfile.TemporaryDirectory() as folder:
            problem, predictions = Path(folder) / "problem.npz", Path(folder) / "predictions.npy"
            np.savez(problem, K=K, y=y, times=times)
            self.process = subprocess.Popen([environment(), WORKER, problem, predictions], text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self.versions = json.loads(self._answer())
            self.predictions = np.load(predictions)

    def __call__(self):
        print("again", file=self.process.stdin, flush=True)
        self._answer()
        return self.predictions

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise ChildProcessError(f"neural-tangents exited with status {self.process.wait()}; run {WORKER.name} "
                                    f"in its environment to see why")
        return line
