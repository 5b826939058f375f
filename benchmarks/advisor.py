"""How often is the advisor wrong? Verdicts on simulated problems of four kinds, and criteria for stopping a teacher."""

import numpy as np

from benchmarks.simulated import NOISES, draw
from benchmarks.timing import machine
from eigenkd import filters, risk
from eigenkd.risk.change import left_out_change
from eigenkd.table import Cells

PROBLEMS = {"gaussian": 2000, "t_4": 600, "hetero": 600, "nonlinear": 600}
NEGLIGIBLE, CERTAIN = 1e-6, 2.0  # of the teacher's risk; standard errors for a verdict
METHODS = {
    "training, noise known": "Stein's estimate",
    "training, noise estimated": "Stein's estimate with risk.noise_variance",
    "new, leave-one-out": "exact leave-one-out errors",
    "new, Stein, noise estimated": "Stein's estimate for the training inputs, as an answer for new ones",
    "new, Stein, noise of labels": "the same with the true noise of the labels",
    "new, GCV of Eq. (39)": "with the flow's own degrees of freedom; no standard error",
    "new, shortcut of Eq. (40)": "leave-one-out with the flow's own leverages; no standard error",
}
STOPPED_BY = ("GCV of Eq. (39)", "gcv", "loo", "shortcut of Eq. (40)")
GRID = np.geomspace(1 / 16, 64, 41)  # times over the best one


def run(problems=PROBLEMS):
    """The record: per kind and method the share of wrong signs, of verdicts, of wrong verdicts; where it fails."""
    rows = {kind: [one(kind, seed) for seed in range(count)] for kind, count in problems.items()}
    errors = {kind: {method: wrong(found, method) for method in METHODS} for kind, found in rows.items()}
    return {"question": __doc__, "kinds": NOISES, "methods": METHODS, "errors": errors,
            "where": where_it_fails(rows["gaussian"]), "rule_of_thumb": rule_of_thumb(rows["gaussian"]),
            "following": following(rows["gaussian"]), "stopping": stopping(rows["gaussian"]),
            "agreement": {kind: agreement(found) for kind, found in rows.items()},
            "machine": machine("numpy", "eigenkd")}


def one(kind, seed):
    """The true changes, their estimates (value, standard error), and what they may depend on, of one problem."""
    problem = draw(kind, seed)
    flow, s, T = problem.flow, problem.student_time, problem.teacher_time
    S, F = filters.flow(s), filters.flow(T)
    student, teacher = flow.fit(S @ F), flow.fit(F)
    known, guessed = (risk.estimated_change(flow, S, F, noise, "training") for noise in (problem.noise, None))
    estimates = {"training, noise known": known, "training, noise estimated": guessed,
                 "new, Stein, noise estimated": guessed, "new, Stein, noise of labels": known}
    estimates = {name: (float(e.value), float(e.standard_error)) for name, e in estimates.items()}
    estimates["new, leave-one-out"] = tuple(map(float, left_out_change(flow, S, F)))
    for name, criterion in (("new, GCV of Eq. (39)", plain_gcv), ("new, shortcut of Eq. (40)", shortcut)):
        after, before = (float(np.nan_to_num(criterion(fit))) for fit in (student, teacher))
        estimates[name] = (after - before, np.inf)
    risks = {"training": problem.on_training_inputs, "new": problem.on_new_inputs}
    after = {name: float(of(student)) for name, of in risks.items()}
    before = {name: float(of(teacher)) for name, of in risks.items()}
    lam, g, r = flow.spectrum.eigenvalues, teacher.gain, teacher.residual
    signal = flow.spectrum.sample_basis.T @ problem.signal
    slope = float(np.sum(lam * r * (problem.noise * g - r * signal**2)))  # of the risk in T, without its factor 2/n
    times = problem.best_time * GRID
    fits, criteria = flow.teacher(times), {}
    if kind == "gaussian" and seed % 4 == 0:
        at = problem.on_new_inputs(fits)
        values = plain_gcv(fits), risk.gcv(fits), risk.leave_one_out(fits).value, shortcut(fits)
        criteria = {name: float(at[np.argmin(value)] / at.min()) for name, value in zip(STOPPED_BY, values)}
    return {"n": flow.targets.shape[0], "T": T / problem.best_time, "s": s / T, "before": before, "after": after,
            "estimates": estimates, "slope": slope, "stopping": criteria}


def plain_gcv(fit):
    """(1/n) ||y - f||^2 / (1 - df/n)^2, Eq. (39), whatever the filter is."""
    n = fit.flow.targets.shape[0]
    left = n - fit.residual.shape[-1] + np.sum(fit.residual, axis=-1)
    return settled(risk.training_loss(fit), (left / n) ** 2)


def shortcut(fit):
    """Mean square of (y - f)_i/(1 - S_ii), Eq. (40), whatever the filter is."""
    U, r = fit.flow.spectrum.sample_basis, fit.residual
    errors = (r * (U.T @ fit.flow.targets[:, 0])) @ U.T + fit.flow.targets[:, 0] - U @ (U.T @ fit.flow.targets[:, 0])
    return np.mean(settled(errors**2, (r @ (U**2).T + 1 - np.sum(U**2, axis=1)) ** 2), axis=-1)


def settled(top, low):
    """top/low; infinite where nothing is left of both, at the end of training."""
    return np.where(low > 0, top / np.where(low > 0, low, 1.0), np.inf)


def judged(rows, method):
    """(true change, estimate, standard error, teacher's risk) of the rows whose change matters."""
    inputs = method.split(",")[0]
    values = np.array([[row["after"][inputs] - row["before"][inputs], *row["estimates"][method], row["before"][inputs]]
                       for row in rows]).reshape((-1, 4))
    return values[np.abs(values[:, 0]) > NEGLIGIBLE * values[:, 3]].T


def wrong(rows, method):
    """Shares of wrong signs, of verdicts, and of wrong ones among these."""
    truth, value, error, _ = judged(rows, method)
    if not truth.size:
        return {"problems": 0}
    missed, certain = np.sign(value) != np.sign(truth), np.abs(value) > CERTAIN * error
    found = {"problems": int(truth.size), "wrong": float(missed.mean())}
    if np.isfinite(error).all():
        found |= {"verdicts": float(certain.mean()), "wrong_verdicts": float(missed[certain].mean()) if certain.any()
                  else 0.0, "beyond_two_errors": float(np.mean(np.abs(value - truth) > CERTAIN * error))}
    return found


def where_it_fails(rows, methods=("training, noise known", "new, leave-one-out")):
    """The same by size of the data, by how far the teacher is from the best time, and by size of the change."""
    groups = {"n below 100": lambda r: r["n"] < 100, "n from 100 to 250": lambda r: 100 <= r["n"] < 250,
              "n from 250": lambda r: r["n"] >= 250, "T/T* below 1": lambda r: r["T"] < 1,
              "T/T* from 1 to 2": lambda r: 1 <= r["T"] < 2, "T/T* from 2 to 16": lambda r: 2 <= r["T"] < 16,
              "T/T* from 16": lambda r: r["T"] >= 16}
    found = {name: {m: wrong([r for r in rows if chosen(r)], m) for m in methods} for name, chosen in groups.items()}
    found["change above 10 %"] = {m: wrong([r for r in rows if large(r, m)], m) for m in methods}
    return found


def large(row, method):
    inputs = method.split(",")[0]
    return abs(row["after"][inputs] - row["before"][inputs]) > 0.1 * row["before"][inputs]


def rule_of_thumb(rows):
    """How often "over-trained teachers gain, under-trained ones lose" is wrong, with the true slope of the risk."""
    def share(chosen):
        kept = [r for r in chosen if abs(r["after"]["training"] - r["before"]["training"])
                > NEGLIGIBLE * r["before"]["training"]]
        missed = [(r["slope"] > 0) != (r["after"]["training"] < r["before"]["training"]) for r in kept]
        return {"problems": len(kept), "wrong": float(np.mean(missed)) if kept else None}

    return {"all": share(rows), "T/T* from 1 to 2": share([r for r in rows if 1 <= r["T"] < 2])}


def following(rows):
    """Mean change of the risk on new inputs over the teacher's, in turn: distil where leave-one-out says so, where a
    verdict says so, where it truly helps, always; and the share of problems that lose more than 5 % by the first."""
    truth = np.array([r["after"]["new"] / r["before"]["new"] - 1 for r in rows])
    value, error = np.array([r["estimates"]["new, leave-one-out"] for r in rows]).T
    ways = {"estimate": value < 0, "verdict": value < -CERTAIN * error, "ideal": truth < 0, "always": value < np.inf}
    found = {name: float(np.mean(np.where(chosen, truth, 0))) for name, chosen in ways.items()}
    return found | {"harmed": float(np.mean((value < 0) & (truth > 0.05)))}


def stopping(rows):
    """Risk on new inputs at the time that a criterion picks, over the least: median, mean and 95 % quantile, less 1."""
    rows = [r["stopping"] for r in rows if r["stopping"]]
    return {"problems": len(rows)} | {name: dict(zip(("median", "mean", "most"), map(float, (
        np.median(v), np.mean(v), np.quantile(v, 0.95))))) for name in STOPPED_BY
        if (v := np.array([r[name] for r in rows]) - 1).size}


def agreement(rows):
    """The share of problems in which the change has one sign on training and on new inputs."""
    return float(np.mean([(r["after"]["training"] < r["before"]["training"]) == (r["after"]["new"] < r["before"]["new"])
                          for r in rows]))


def table(record):
    """The `Cells`: a row a method, a column a kind; wrong signs, and in brackets verdicts and wrong ones."""
    kinds = list(record["errors"])

    def cell(found):
        text = f"{found['wrong']:.1%}"
        return text + (f" ({found['verdicts']:.0%}, {found['wrong_verdicts']:.1%})" if "verdicts" in found else "")

    return Cells(("wrong sign (verdicts, wrong ones)", *kinds), tuple(
        (method, *(cell(record["errors"][kind][method]) for kind in kinds)) for method in METHODS))
