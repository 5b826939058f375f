"""Accuracies of teachers and students of all training times, in closed form. Nothing is fitted."""

from dataclasses import replace

import numpy as np
import torch

from eigenkd import filters, kernel_flow
from validation.closed_form.kernel import mean_tangent_kernel
from validation.closed_form.setting import NAME
from validation.data import Rows
from validation.data.examples import draw, mask
from validation.device import described
from validation.errors import UsageError
from validation.plans import held, plan_of
from validation.provenance import provenance
from validation.seeding import generator, local_default
from validation.settings import find

DIGITS = 5  # of accuracies and risks
SHARES = (0.25, 0.5, 0.75, 0.95)  # of a student's training, after which its loss is switched
WAYS = ("distilled to one_hot", "one_hot to distilled")
ROUNDING = 1e-6  # of the largest eigenvalue: what a kernel of single precision does not resolve


def run(study, out, *, device, data_dir, note=lambda text: None):
    """Makes the run folder of a `ClosedForm` in `out` and returns its result, also of a finished run.

    Raises UsageError for a setting that sees examples otherwise than as plain rows.
    """
    if find(study.of).data.view != Rows():
        raise UsageError(f"of: expected a setting with --data.view rows, not standardised, got {study.of}; name "
                         "another")
    with held(plan_of(study, study.seed, out=out, data_dir=data_dir), note) as plan:
        return plan.folder.finished() if plan.state == "show" else _run(plan, study, device, data_dir)


def _run(plan, study, device, data_dir):
    folder, source, setting = plan.folder, plan.source, find(study.of)
    splits = setting.data.set.load(data_dir, None)
    clean = draw(splits, replace(setting.data, label_noise=0.0), study.seed)
    with local_default(study.seed, "initialisation"):
        embed, network = setting.model.build(setting.data.set.shape, setting.data.set.classes)
    shown = np.linspace(0, len(clean.test_labels) - 1, min(study.test_examples, len(clean.test_labels))).astype(int)
    train, test = (embed(torch.from_numpy(np.array(images)).float() / 255) for images in (
        clean.train_inputs, clean.test_inputs[shown]))
    folder.begin(plan.configuration)
    K, K_test = np.split(mean_tangent_kernel(network, train, test).double().numpy(), [len(train)])
    kernel = Kernel(K, K_test)
    diagrams = []
    for rate in study.label_noise:
        examples = draw(splits, replace(setting.data, label_noise=rate), study.seed)
        for fraction in study.teacher_fractions:
            taught = mask(len(K), fraction, generator(study.seed, "taught"))
            diagrams.append({"label_noise": rate, "teacher_fraction": fraction, **diagram(
                study, kernel, K_test, examples.train_labels, examples.train_true_labels, clean.test_labels[shown],
                splits.classes, taught)})
    return folder.finish({
        "setting": NAME, "title": study.title, "seed": study.seed, "smoke": False,
        **provenance(described(device), torch.get_num_threads()),
        "data": {"source": source.name, "note": source.note, "sha256": clean.sha256()},
        "largest_eigenvalue": float(kernel.flow.spectrum.eigenvalues[0]), "diagrams": diagrams})


def diagram(study, kernel, K_test, labels, true, test_labels, classes, taught):
    """Accuracies on the labels trained on ("train") and on the test labels ("test"), and "risk", the squared distance
    per test image of the outputs from the centred one-hot label: of teachers (times,), and of students
    (times, times), a row a teacher. "switched": the test accuracy of students trained as long as their teacher whose
    loss is switched when they have seen a share of their training, (times,).

    kernel: a `Kernel`; K_test (m, n); labels, true (n,), those trained on and the true ones; taught (n,): which
    examples the teacher is trained on. Teacher and student start from 0 and see one-hot labels less 1/classes.
    """
    K, times, centred = kernel.flow.inputs, study_times(study, kernel.flow), np.eye(classes) - 1 / classes
    fits = kernel_flow(K[np.ix_(taught, taught)], centred[labels[taught]], rank_tolerance=ROUNDING).teacher(times)
    outputs, tested = fits.predict(K[:, taught]), fits.predict(K_test[:, taught])  # (times, n or m, classes)
    learned = filters.flow(times).gain(kernel.flow.spectrum.eigenvalues)[..., None]  # (times, k, 1)
    own, given = kernel.components(centred[labels]), kernel.components(outputs)  # (k, classes), (times, k, classes)

    def judged(components):
        test = kernel.test @ components
        return {"train": right(kernel.train @ components, labels), "test": right(test, test_labels),
                "risk": risk(test, centred[test_labels])}

    def switched(first, then, share):
        before, after = (filters.flow(part * times).gain(kernel.flow.spectrum.eigenvalues)[..., None]
                         for part in (share, 1 - share))
        return right(kernel.test @ (after * then + (1 - after) * before * first), test_labels)

    students = [judged(learned * target) for target in given]
    return {"times": times.tolist(), "mislabelled": int((labels != true).sum()),
            "teacher": {"train": right(outputs, labels), "test": right(tested, test_labels),
                        "risk": risk(tested, centred[test_labels])},
            "student": {name: [one[name] for one in students] for name in students[0]},
            "switched": {f"{way} at {share:.0%}": switched(*pair, share) for share in SHARES
                         for way, pair in zip(WAYS, ((given, own), (own, given)))}}


class Kernel:
    """A kernel flow with what maps components along its eigenvectors to outputs on training and test inputs."""

    def __init__(self, K, K_test):
        self.flow = kernel_flow((K + K.T) / 2, np.zeros((len(K), 1)), rank_tolerance=ROUNDING)
        lam, self.train = self.flow.spectrum.eigenvalues, self.flow.spectrum.sample_basis
        self.test = K_test @ self.train * np.divide(1, lam, out=np.zeros_like(lam), where=lam > 0)

    def components(self, outputs):
        """(..., k, classes) of outputs (..., n, classes) on the training inputs."""
        return self.train.T @ outputs


def study_times(study, flow):
    """(times,): the training times of a `ClosedForm`."""
    return np.geomspace(*(10.0**power for power in study.decades), study.times) / flow.spectrum.eigenvalues[0]


def right(outputs, labels):
    """(...,): the share of examples whose largest output (..., n, classes) is the label's."""
    return np.round((outputs.argmax(-1) == labels).mean(-1), DIGITS).tolist()


def risk(outputs, targets):
    """(...,): the mean squared distance of outputs (..., n, classes) from targets (n, classes)."""
    return np.round(np.square(outputs - targets).sum(-1).mean(-1), DIGITS).tolist()
