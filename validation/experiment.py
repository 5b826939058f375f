"""One run of one setting, top to bottom: data, teacher, student, analysis, record."""

import copy
import sys
import time
from contextlib import redirect_stdout
from dataclasses import dataclass, replace

import numpy as np
import torch

from eigenkd import deviation
from validation.data import DATASETS, generated
from validation.data.examples import draw
from validation.device import described
from validation.record import provenance
from validation.seeding import local_default
from validation.train import predict, train
from validation.trajectory import Recorder, draw_pairs, exaggerated_pairs, input_basis


def run(setting, seed, folder, *, device, data_dir, download, smoke, progress):
    """Trains teacher and student, analyses them, leaves a run folder, and returns its result.

    setting: as it is to be trained (`shortened` for a smoke run); folder: a `RunFolder`; device: a torch.device;
    progress: a `Progress`. The result depends on the configuration and the device alone; no global state changes.

    Raises UsageError for what the user can mend.
    """
    started = time.perf_counter()

    # Data
    kind = DATASETS[setting.data.name]
    with redirect_stdout(sys.stderr):  # what a download says must not mix with the result
        dataset = generated.load(kind.SHAPE, kind.CLASSES) if smoke else kind.load(data_dir, download)
    examples = draw(dataset, setting.data, seed)
    progress.note(f"{setting.name} seed {seed} on {device}: {len(examples.train_labels)} training examples, "
                  f"{examples.mislabelled.sum()} of them mislabelled; data: {dataset.source.note}")

    # Networks, and the eigendirections of what their first trained layer sees
    embed, teacher, student = build(setting, seed)
    data = Tensors(examples, embed.to(device), device)
    basis = input_basis(data.train_inputs)
    pairs = draw_pairs(setting.analysis, seed, len(basis.values))

    folder.begin(configuration(setting, seed, smoke=smoke, source=dataset.source))

    def fit(role, network, recipe, **targets):
        network.to(device)
        recorder = Recorder(network, setting.analysis.layer, basis)
        with progress.training(role, recipe.epochs) as after_epoch:

            def on_epoch(epoch, step, loss):
                entry = {"role": role, "epoch": epoch, "step": step, "loss": loss, **data.accuracies(network)}
                folder.log(entry)
                after_epoch(entry)

            train(network, data.train_inputs, data.train_labels, recipe, seed=seed, role=role, on_step=recorder,
                  on_epoch=on_epoch, **targets)
        return Fitted(recorder.path(), predict(network, data.train_inputs), predict(network, data.test_inputs))

    # Teacher: one-hot labels. Student: the teacher's probabilities on the same examples.
    teacher = fit("teacher", teacher, setting.teacher)
    student = fit("student", student, setting.student, teacher_logits=teacher.train, distillation=setting.distillation)

    # Record
    folder.save("outputs", **outputs(examples, teacher, student))
    folder.save("trajectory", steps=np.arange(max(len(teacher.path), len(student.path))), teacher=teacher.path,
                student=student.path, eigenvalues=basis.values.numpy(), pairs=pairs)
    result = {
        "setting": setting.name, "title": setting.title, "seed": seed, "smoke": smoke,
        **provenance(described(device), torch.get_num_threads()), **origin(dataset, examples),
        **analysis(data, teacher, student, pairs),
        "guesses": setting.guesses, "seconds": round(time.perf_counter() - started, 3),
    }
    folder.finish(result)
    return result


def analysis(data, teacher, student, pairs):
    """What teacher and student do differently: the result's `accuracy`, `eigenspace` and `deviation`."""
    labels = {"train": data.train_labels, "test": data.test_labels}
    return {
        "accuracy": {split: {"teacher": accuracy(getattr(teacher, split), y),
                             "distilled": accuracy(getattr(student, split), y)} for split, y in labels.items()},
        "eigenspace": exaggerated_pairs(teacher.path, student.path, pairs),
        "deviation": {split: deviation.compare(getattr(teacher, split), getattr(student, split), y).summary()
                      for split, y in labels.items()},
    }


def origin(dataset, examples):
    """What was trained on: the result's `data`, and a note on what its training accuracies mean."""
    flipped, n = int(examples.mislabelled.sum()), len(examples.mislabelled)
    return {"data": {"source": dataset.source.name, "note": dataset.source.note, "sha256": examples.sha256()},
            "notes": {"accuracy.train": f"against the labels trained on, {flipped} of {n} of them flipped"}}


def outputs(examples, teacher, student):
    """The arrays of outputs.npz: logits, the labels trained on and the true ones, and where they differ."""
    logits = {f"{role}_{split}": getattr(fitted, split).cpu().numpy()
              for role, fitted in (("teacher", teacher), ("student", student)) for split in ("train", "test")}
    return logits | {"train_labels": examples.train_labels, "train_true_labels": examples.train_true_labels,
                     "test_labels": examples.test_labels, "mislabelled": examples.mislabelled}


def build(setting, seed):
    """The embedding, the teacher and the student, untrained, on the CPU."""
    kind = DATASETS[setting.data.name]
    with local_default(seed, "initialisation"):
        embed, teacher = setting.model.build(kind.SHAPE, kind.CLASSES)
    student = copy.deepcopy(teacher)
    if not setting.distillation.share_initialisation:
        with local_default(seed, "student initialisation"):
            _, student = setting.model.build(kind.SHAPE, kind.CLASSES)
    return embed, teacher, student


def locate(setting, *, data_dir, download, smoke):
    """The `Source` that a run's data would come from; reads and fetches nothing."""
    return generated.SOURCE if smoke else DATASETS[setting.data.name].locate(data_dir, download)


def shortened(setting):
    """The setting as a smoke run has it: one epoch each, on at most 128 examples."""
    examples = min(128, setting.data.train_examples or 128)
    return replace(setting, data=replace(setting.data, train_examples=examples),
                   teacher=replace(setting.teacher, epochs=1), student=replace(setting.student, epochs=1))


def configuration(setting, seed, *, smoke, source):
    """All that decides a run's numbers, JSON-able: two runs with the same configuration are the same run."""
    return setting.configuration() | {"seed": seed, "smoke": smoke, "data_source": source.name}


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network: its path (records, k) along the eigendirections, its logits on the training and test set."""

    path: np.ndarray
    train: torch.Tensor
    test: torch.Tensor


class Tensors:
    """The examples on the device: images as bytes / 255, in [0, 1], through the fixed embedding, and labels."""

    def __init__(self, examples, embed, device, batch_size=4096):
        for split in ("train", "test"):
            images = torch.from_numpy(getattr(examples, f"{split}_images")).split(batch_size)
            with torch.no_grad():
                inputs = torch.cat([embed(batch.to(device, torch.float32) / 255) for batch in images])
            setattr(self, f"{split}_inputs", inputs)
            setattr(self, f"{split}_labels", torch.from_numpy(getattr(examples, f"{split}_labels")).to(device))

    def accuracies(self, network):
        """As in a line of metrics.jsonl."""
        return {"train_accuracy": accuracy(predict(network, self.train_inputs), self.train_labels),
                "test_accuracy": accuracy(predict(network, self.test_inputs), self.test_labels)}


def accuracy(logits, labels):
    """The share of examples whose largest logit is the label's."""
    return (logits.argmax(dim=1) == labels).double().mean().item()
