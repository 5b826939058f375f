"""What tuning from one fit gets: the best weight of the teacher, and several steps, next to the true best ones."""

import numpy as np

from benchmarks.simulated import draw
from benchmarks.timing import machine, side_by_side
from eigenkd import filters, linear_flow, risk
from eigenkd.table import Cells

# Fixed before the first run: Gaussian inputs with eigenvalues 1/j and squared coefficients j^-b, noise 1.
N, P, SEEDS, SIGNAL = 300, 450, 40, 2.0
SIGNALS = {"rough": 1.0, "smooth": 3.0}
MULTIPLES = {"T*/3": 1 / 3, "T*": 1.0, "4 T*": 4.0}  # of the best time on new inputs; student and teacher alike
STEPS = 3
PROBLEMS, QUANTILES = 500, (0.01, 0.05, 0.5, 0.95, 0.99)  # of the advisor's benchmark, for the estimated noise
TIMED = 1000, 1500  # samples and features



def run(seeds=SEEDS, problems=PROBLEMS):
    """The record: by signal, time and way of estimating. T*: of `random_design`, the best time of a teacher. noise: its
    estimate over the true one, quantiles."""
    rows = {name: [one(b, best_time(b), seed) for seed in range(seeds)] for name, b in SIGNALS.items()}
    return {"question": __doc__, "n": N, "p": P, "seeds": seeds, "signals": SIGNALS,
            "mixing": {name: mixing_summary(found) for name, found in rows.items()},
            "steps": {name: steps_summary(found) for name, found in rows.items()},
            "noise": {"problems": problems, "quantiles": QUANTILES, "estimate over truth": noise_quantiles(problems)},
            "seconds": criteria_seconds(), "machine": machine("numpy", "eigenkd")}


def noise_quantiles(problems):
    """Of `risk.noise_variance` over the noise, of problems with Gaussian noise."""
    found = [float(risk.noise_variance(problem.flow)) / problem.noise
             for problem in (draw("gaussian", seed) for seed in range(problems))]
    return np.quantile(found, QUANTILES).tolist()


def criteria_seconds():
    """Seconds of the two criteria for one time, from a flow that is there."""
    (n, p), rng = TIMED, np.random.default_rng(0)
    X = rng.normal(size=(n, p)) / np.arange(1, p + 1) ** 0.5
    fit = linear_flow(X, rng.normal(size=n), "gram").teacher(1e-2)
    return side_by_side({"gcv": lambda: risk.gcv(fit), "leave-one-out": lambda: risk.leave_one_out(fit).value},
                        rounds=15)


TIMES = np.geomspace(1e-4, 10, 60)


def law(b):
    """Eigenvalues and coefficients of the inputs' law."""
    j = np.arange(1.0, P + 1)
    lam, energy = 1 / j, j**-b
    return lam, np.sqrt(energy * SIGNAL / np.sum(lam * energy))


def best_time(b):
    """T*"""
    return TIMES[np.argmin(risk.random_design(*law(b), n=N, noise=1.0).teacher(TIMES).risk)]


def one(b, best, seed):
    """Estimated and true weights, the share of the gain, and risks after 0 to 3 steps, of one draw."""
    rng, (lam, beta) = np.random.default_rng(seed), law(b)
    X = rng.normal(size=(N, P)) * np.sqrt(lam)
    signal = X @ beta
    flow = linear_flow(X, signal + rng.normal(size=N), "gram")

    def new(fit):
        return np.sum(lam * (fit.weights - beta) ** 2, axis=-1)

    def training(fit):
        return np.mean((fit.fitted - signal) ** 2, axis=-1)

    found = {"mixing": {}, "steps": {}}
    for name, multiple in MULTIPLES.items():
        f = filters.flow(multiple * best)
        for inputs, of, noise in (("training", training, 1.0), ("new", new, None)):
            a, c = flow.fit(f), flow.fit(f @ f)
            difference = a.weights - c.weights if inputs == "new" else a.fitted - c.fitted
            size = np.sum(lam * difference**2) if inputs == "new" else np.mean(difference**2)
            true = risk.line(of(a), of(c), size)
            weight = float(risk.estimated_mixing(flow, f, f, noise, inputs).weight)
            found["mixing"][f"{name}, {inputs}"] = {
                "error": weight - float(true.weight), "gain": float(true.gain / true.risk),
                "share": float((true.risk - true.risk_at(weight)) / true.gain)}
    least = float(new(flow.teacher(TIMES)).min())
    tuned = risk.tune(flow, "teacher", "loo").parameters["time"]
    for name, time in {"T*/4": best / 4, "4 T*": 4 * best, "by leave-one-out": tuned}.items():
        fits = (flow.fit(risk.estimated_steps(flow, filters.flow(time), count).filter) for count in range(STEPS + 1))
        found["steps"][name] = [float(new(fit) / least) for fit in fits]
    return found


def mixing_summary(rows):
    """Spread of the error of the weight; the possible gain over the risk; the median share of it that is got."""
    names = rows[0]["mixing"]
    return {name: {"weight_error": float(np.std([r["mixing"][name]["error"] for r in rows])),
                   "possible": float(np.mean([r["mixing"][name]["gain"] for r in rows])),
                   "share": float(np.median([r["mixing"][name]["share"] for r in rows]))} for name in names}


def steps_summary(rows):
    """Risk on new inputs over that of the best early stop, after 0 to 3 steps, median."""
    return {name: [float(v) for v in np.median([r["steps"][name] for r in rows], axis=0)] for name in rows[0]["steps"]}


def table(record):
    """The `Cells`: a row a signal, time and way of estimating, then the steps."""
    rows = [(signal, name, f"{s['possible']:.1%}", f"{s['weight_error']:.2f}", f"{s['share']:.3f}")
            for signal, found in record["mixing"].items() for name, s in found.items()]
    rows += [(signal, f"steps from {name}", "", "", "  ".join(f"{v:.2f}" for v in values))
             for signal, found in record["steps"].items() for name, values in found.items()]
    return Cells(("signal", "time, inputs", "possible gain", "sd of the weight's error", "share of the gain"),
                 tuple(rows), ("Steps: risk on new inputs after 0, 1, 2, 3 of them over that of the best early stop.",),
                 align="ll")
