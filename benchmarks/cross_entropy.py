"""Gradient flow of a linear model under the cross-entropy, 100 times, compared with an ODE solver in weight space."""

import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import softmax

from benchmarks.timing import machine, side_by_side
from eigenkd import cross_entropy
from validation.data import Digits

EXAMPLES, TIMES, REACH, RTOL = 128, 100, 1e3, 1e-10  # reach: the last time, times the largest eigenvalue
FEATURES = 5000
OURS, GENERAL = "eigenkd.cross_entropy", "scipy.integrate.solve_ivp, DOP853"
NOTES = {"pixels": "scikit-learn's digits, 64 pixels", "features": f"the same through {FEATURES} ReLU random features",
         "students": f"of a teacher stopped at a thousandth of the reach, temperature 4; of a grid: {TIMES} times "
                     "for each of 10 teachers",
         "rtol": f"{RTOL:g} for the general solver, whose weights are then no more accurate than ours by default",
         "difference": "largest difference over times of the weights of 100 teachers from ours, relative to the "
                       "largest weight"}


def run():
    """The record: seconds for ten classes and one row of weights per pixel or feature; compilation is not counted."""
    data, rng = Digits().load(None, None), np.random.default_rng(0)
    X, labels = data.train_inputs[:EXAMPLES].reshape(EXAMPLES, -1) / 255.0, data.train_labels[:EXAMPLES]
    wide = np.maximum(X @ rng.normal(size=(X.shape[1], FEATURES)) / 8, 0.0)
    y, seconds = np.eye(10)[labels], {}
    for name, inputs in (("pixels", X), ("features", wide)):
        times, seen = np.geomspace(1e-3, REACH, TIMES) / np.linalg.norm(inputs, 2) ** 2, {}
        found = side_by_side(ways(inputs, y, times), rounds=5, fewer={GENERAL: 2},
                             seen=lambda way, value, seen=seen: seen.update({way: value}))
        ours = seen[OURS]
        for way in (OURS, GENERAL):
            found[way]["difference"] = float(np.abs(seen[way] - ours).max() / np.abs(ours).max())
        seconds |= {f"{name}, {way}": time for way, time in found.items()}
    return {"question": __doc__, "notes": NOTES, "examples": EXAMPLES, "times": TIMES, "reach": REACH,
            "seconds": seconds, "machine": machine("eigenkd", "jax", "diffrax", "scipy")}


def ways(X, y, times):
    """name -> function that computes the weights (times, p, classes) of teachers or students."""
    def general():
        def rate(_, B):
            return (X.T @ (y - softmax(X @ B.reshape(-1, 10), axis=1))).ravel()

        solved = solve_ivp(rate, (0, times[-1]), np.zeros(X.shape[1] * 10), t_eval=times, method="DOP853", rtol=RTOL,
                           atol=RTOL)
        return solved.y.T.reshape(len(times), -1, 10)

    flow, taught = cross_entropy.linear_flow(X, y), 1e-3 * times[-1]
    return {OURS: lambda: cross_entropy.linear_flow(X, y).teacher(times).weights,
            GENERAL: general,
            "eigenkd.cross_entropy, students": lambda: flow.student(times, taught, temperature=4.0).weights,
            "eigenkd.cross_entropy, students of a grid": lambda: flow.student(times, times[::10, None],
                                                                              temperature=4.0).components}
