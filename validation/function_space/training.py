"""Trains one network and compares its measured gains with predicted ones."""

import numpy as np
import torch

from eigenkd import kernel_flow
from eigenkd.projection import exaggeration, gains, sign_test
from eigenkd.torch import last_hidden, tangent_kernel
from validation.data import DATASETS, Rows
from validation.data.examples import draw
from validation.device import described
from validation.eigenspace import draw_pairs
from validation.errors import UsageError
from validation.function_space.kernels import change, gram
from validation.function_space.prediction import drift, of_cross_entropy, of_nearest_times, of_steps
from validation.function_space.setting import NAME, ROLES
from validation.inputs import Fixed
from validation.models.tangent_mlp import TangentMLP
from validation.plans import held, plan_of
from validation.provenance import provenance
from validation.roles import Role
from validation.seeding import local_default
from validation.settings.loss import Loss
from validation.settings.setting import Data, Eigenspace, Training
from validation.train import train

LARGE = 1e4  # larger outputs mean that training diverges
MARKS = 30  # number of times at which outputs are recorded, evenly spaced in the logarithm of steps
CARRIED = 1e-3  # the least share of the squared targets of directions that are saved over time
TOP, BOTTOM = 15, 40  # numbers of directions that pairs are drawn from, as in the paper's ranges
TERMS = {("squared", "teacher"): "squared", ("squared", "student"): "squared_distilled",
         ("cross_entropy", "teacher"): "one_hot", ("cross_entropy", "student"): "distilled"}


def run(study, out, *, device, data_dir, note=lambda text: None):
    """Runs one `FunctionSpace` setting in `out`, unless the run is finished, and returns its result."""
    with held(plan_of(study, study.seed, out=out, data_dir=data_dir), note) as plan:
        return plan.folder.finished() if plan.state == "show" else _run(plan, study, device, data_dir, note)


def _run(plan, study, device, data_dir, note):
    folder, source = plan.folder, plan.source
    if study.optimiser != "adam" and study.learning_rate >= 2:
        raise UsageError(f"--learning-rates: expected less than 2 over the largest eigenvalue, beyond which gradient "
                         f"descent diverges, got {study.learning_rate}; pass 0.5 for example")
    dataset = DATASETS[study.data]()
    examples = draw(dataset.load(data_dir, None), Data(dataset, Rows(), train_examples=study.examples), study.seed)
    with local_default(study.seed, "initialisation"):
        embed, network = TangentMLP(hidden=study.width).build(dataset.shape, dataset.classes)
    inputs = embed(torch.from_numpy(examples.train_inputs).to(torch.float32) / 255).to(device)
    labels = torch.nn.functional.one_hot(torch.from_numpy(examples.train_labels), dataset.classes).float().to(device)
    network.to(device)
    with torch.no_grad():
        start = network(inputs)
    note(f"{folder.path}: kernels of {labels.numel()} outputs ...")
    tangent = tangent_kernel(network, inputs).cpu().numpy()
    kernels = {"tangent": tangent, "inputs": gram(inputs), "features": gram(last_hidden(network, inputs))}
    folder.begin(plan.configuration)
    outputs, marks = teach(network, inputs, labels, study, float(np.linalg.eigvalsh(tangent)[-1]), note)
    result = {"setting": NAME, "seed": study.seed, "smoke": False,
              **provenance(described(device), torch.get_num_threads()),
              "data": {"source": source.name, "note": source.note, "sha256": examples.sha256()},
              "exact": study.exact, "steps_seen": marks.tolist(),
              "kernel_change": change(tangent, tangent_kernel(network, inputs).cpu().numpy())}
    drifts, arrays = along_kernels(study, kernels, outputs, labels, start, marks)
    folder.save("gains", **arrays)
    return folder.finish(result | drifts)


def teach(network, inputs, labels, study, largest, note):
    """Trains teacher and student from the same weights; the network becomes the trained student.

    Returns their answers (2, marks, n, C), outputs or probabilities, and the marks, the numbers of steps."""
    marks = np.unique(np.geomspace(1, study.steps, MARKS).round().astype(int))
    begin, outputs, answers = {name: value.clone() for name, value in network.state_dict().items()}, None, []
    for role in ROLES:
        note(f"  {role} ...")
        network.load_state_dict(begin)
        try:
            answered, outputs = trained(network, inputs, labels, study, largest, marks, outputs)
        except UsageError:  # the loss is not finite
            answered = torch.full((1,), torch.inf)
        if not bool((answered.abs() < LARGE).all()):
            raise UsageError(f"--learning-rates: expected training that converges, got a {role} that diverges; try a "
                             f"value smaller than {study.learning_rate}")
        answers.append(answered)
    return torch.stack(answers), marks


def trained(network, inputs, labels, study, largest, marks, teacher=None):
    """The network's answers after each of `marks` steps (marks, n, C), and its final outputs (n, C).

    Trains the network in place with full batches on the one-hot labels (n, C), or on the outputs (n, C) of a teacher if
    given. The loss is the mean of (1/2) ||f - targets||^2 or of cross-entropies; its learning rate is n times that of
    the sum.
    """
    role, n, adam = ROLES[teacher is not None], len(inputs), study.optimiser == "adam"
    rate = 1e-3 * study.learning_rate if adam else n * study.learning_rate / largest
    recipe = Training(study.steps, n, rate, "adam" if adam else "sgd", momentum=0.9 * (study.optimiser == "momentum"),
                      loss=Loss(TERMS[study.loss, role]))
    seen = []

    def look(step):
        if step in marks:
            with torch.no_grad():
                seen.append(answered(network(inputs), study))

    train(network, Fixed(inputs, labels.argmax(dim=1)), Role(role, f"--{role}", role, None, recipe), seed=study.seed,
          teacher=lambda _, indices: teacher[indices], on_step=look)
    with torch.no_grad():
        return torch.stack(seen), network(inputs)


def answered(outputs, study):
    """The outputs in the form that the loss compares with labels: outputs or probabilities."""
    return outputs if study.loss == "squared" else torch.softmax(outputs, dim=-1)


def along_kernels(study, kernels, answers, labels, start, marks):
    """The drifts in the result and the arrays of gains.npz: measured gains of `answers` (2, marks, n, C) along the
    eigenvectors of each kernel, and predicted gains."""
    y, f0 = _double(labels), _double(answered(start, study))
    answers, result, arrays = _double(answers), {"drift_along": {}}, {}
    for name, kernel in kernels.items():
        whole = len(kernel) == y.size  # a kernel over all outputs, or one that all classes share
        flat = (lambda values: values.reshape(*values.shape[:-2], -1)) if whole else (lambda values: values)
        flow = kernel_flow(kernel, flat(y), start=flat(f0))
        lam, U = flow.spectrum.eigenvalues, flow.spectrum.sample_basis
        measured, size = gains(flat(answers), flat(y), U, flat(f0))
        closed = (of_steps(study, lam, marks) if whole and study.exact else of_nearest_times(lam, measured, size))
        predictions = {"predicted": closed}
        if whole and study.loss == "cross_entropy" and study.optimiser == "sgd":
            said = of_cross_entropy(study, kernel, y, _double(start), marks)
            predictions["linear"] = gains(flat(said), flat(y), U, flat(f0))[0]
        found = {kind: [[drift(p, m, size) for p, m in zip(*both)] for both in zip(gain, measured)]
                 for kind, gain in predictions.items()}
        last = {kind: dict(zip(ROLES, (curve[-1] for curve in curves))) for kind, curves in found.items()}
        result["drift_along"][name] = last["predicted"]
        prefix = "" if name == "tangent" else f"{name}_"
        arrays |= {f"{prefix}eigenvalues": lam, f"{prefix}size": size}
        for kind, gain in {"measured": measured, **predictions}.items():
            arrays |= {f"{prefix}{kind}_{role}": curve[-1].astype(np.float32) for role, curve in zip(ROLES, gain)}
        if name == "tangent":
            carry = size**2 >= CARRIED * np.sum(size**2)
            curves = {kind: gain[:, :, carry] for kind, gain in {"measured": measured, **predictions}.items()}
            arrays |= {f"{kind}_{role}_over_time": curve.astype(np.float32)
                       for kind, both in curves.items() for role, curve in zip(ROLES, both)}
            result |= {
                "drift": last["predicted"], "drift_over_time": dict(zip(ROLES, found["predicted"])),
                "mean_difference": {role: float(np.mean(np.abs(m[-1] - p[-1])))
                                    for role, m, p in zip(ROLES, curves["measured"], curves["predicted"])},
                "largest_eigenvalue": float(lam[0]), "exaggeration": exaggerated(study, curves)}
            if "linear" in last:
                result["drift_linear"] = last["linear"]
    return result, arrays


def exaggerated(study, curves):
    """Theorem 4.1 in function space: the numbers of pairs of directions that are exaggerated, measured and predicted.

    curves: name -> gains (2, marks, k) of teacher and student along the directions that carry targets, by eigenvalue.
    A pair is exaggerated if the student's gain along its bottom direction is below its teacher's on more than half of
    the path, at equal gains along the top direction. Top directions are drawn from the first 15 and bottom ones from
    the last 40. The gap of the theorem is proportional to `left`, the median share of a bottom direction that the
    teacher leaves unlearned; along directions that are fully learned it is lost in rounding. Predictions with fitted
    times are skipped, because they predict no path. Returns an empty dict if there are too few directions.
    """
    count = curves["measured"].shape[2]
    if count < TOP + BOTTOM:
        return {}
    pairs = draw_pairs(Eigenspace(top=(0, TOP), bottom=(count - BOTTOM, count)), study.seed, count)
    said = {"left": float(np.median(1 - curves["measured"][0, -1, pairs[:, 1]]))}
    for kind in ("measured", "linear", *(("predicted",) if study.exact else ())):
        if kind in curves:
            begin = np.zeros((2, 1, count))  # nothing is learned at the start
            paths = np.abs(np.concatenate([begin, curves[kind]], axis=1))
            found = sign_test(exaggeration(*paths, pairs))
            said[kind] = {"share": found.share if found.pairs else None, "exaggerated": found.exaggerated,
                          "pairs": found.pairs}
    return said


def _double(values):
    return values.detach().cpu().double().numpy()
