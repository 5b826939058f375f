"""Tables 1 and 7: the training of the paper's settings, as its text gives it and as ours are configured."""

from dataclasses import asdict

from eigenkd.table import NONE, Cells
from validation.settings import SETTINGS

IMAGES = {"CIFAR v1": "resnet_cifar100", "CIFAR-100 v2": "resnet_cifar100_v2", "Tiny-ImageNet": "resnet_tiny_imagenet",
          "ImageNet": "resnet_imagenet"}
EIGENSPACE = {"NoisyMNIST, random features": "rf_noisy_mnist", "MNIST, MLP": "mlp_mnist",
              "CIFAR-10, CNN": "cnn_cifar10"}
# Rows: name -> (how ours is read from a setting, the paper's value of each column; the dash where it is not known).
TABLE1 = {
    "weight decay": (lambda s: s.teacher.weight_decay, ("0.0001", "0.0005", "0.0005", NONE)),
    "batch size": (lambda s: s.teacher.batch_size, ("1024", "64", "128", NONE)),
    "epochs": (lambda s: s.teacher.epochs, ("450", "240", "200", NONE)),
    "peak learning rate": (lambda s: s.teacher.learning_rate, ("1", "0.05", "0.1", NONE)),
    "warm-up epochs": (lambda s: s.teacher.warmup_epochs, ("15", "0", "5", NONE)),
    "learning rate decay": (lambda s: _decay(s.teacher), ("x0.1 at 200, 300, 400", "x0.1 at 150, 180, 210",
                                                           "x0.1 at 75, 135", "cosine")),
    "momentum": (lambda s: _momentum(s.teacher), ("Nesterov 0.9",) * 4),
    "student's loss": (lambda s: s.student.loss.terms, ("distilled",) * 3 + (NONE,)),
    "temperature": (lambda s: s.student.loss.temperature, ("4", "4", "4", NONE)),
}
TABLE7 = {
    "model": (lambda s: _model(s.model), ("5000 ReLU random features", "1000 hidden units", NONE)),
    "training examples": (lambda s: s.data.train_examples, ("128", "128", NONE)),
    "batch size": (lambda s: s.teacher.batch_size, ("16", "16", NONE)),
    "epochs": (lambda s: s.teacher.epochs, ("40", "20", NONE)),
    "label noise": (lambda s: s.data.label_noise or None, ("0.25, uniform", "none", "none")),
    "learning rate": (lambda s: s.teacher.learning_rate, ("0.001", "0.0001", NONE)),
    "student's loss": (lambda s: s.student.loss.terms, ("distilled",) * 3),
    "temperature": (lambda s: s.student.loss.temperature, ("5", "4", NONE)),
    "optimiser": (lambda s: s.teacher.optimiser, ("adam",) * 3),
}


def table(columns, rows, found=None):
    """The `Cells` of the paper's and our value side by side. Needs no run."""
    cells = tuple((name, *(cell for paper, setting in zip(papers, columns.values())
                           for cell in (paper, _text(of(SETTINGS[setting]))))) for name, (of, papers) in rows.items())
    header = ("", *(text for column in columns for text in (f"{column}: paper", "ours")))
    return Cells(header, cells, (f"Ours: {', '.join(columns.values())}. {NONE}: the paper's value is not known.",))


def _text(value):
    if isinstance(value, tuple):
        return "-".join(map(_text, value))
    return "none" if value is None else f"{value:g}" if isinstance(value, float | int) else str(value)


def _decay(training):
    if training.schedule != "steps":
        return training.schedule
    return f"x{training.decay_factor:g} at {', '.join(f'{epoch:g}' for epoch in training.decay_epochs)}"


def _momentum(training):
    return f"{'Nesterov ' if training.nesterov else ''}{training.momentum:g}"


def _model(model):
    sizes = [f"{name} {_text(value)}" for name, value in asdict(model).items() if isinstance(value, int | tuple)
             and not isinstance(value, bool)]
    return ", ".join([model.title, *sizes])
