"""Predictions of neural-tangents on request; benchmarks/nt_process.py starts this file in its own environment.

Arguments: a file with K, y and times, and one for the predictions. Predicts once (which compiles), saves the result,
prints its versions, and predicts again for every line of input.
"""

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

import neural_tangents as nt  # noqa: E402  (after the precision is set)

problem = np.load(sys.argv[1])
K, y = jnp.asarray(problem["K"]), jnp.asarray(problem["y"])
times = jnp.asarray(problem["times"]) * y.size  # its loss is the mean over samples and targets, ours is the sum


def predict():
    return nt.predict.gradient_descent_mse(K, y)(times, jnp.zeros_like(y)).block_until_ready()


np.save(sys.argv[2], predict())
print(json.dumps({"python": sys.version.split()[0], "jax": jax.__version__, "neural-tangents": nt.__version__}),
      flush=True)
for _ in sys.stdin:
    predict()
    print("done", flush=True)
