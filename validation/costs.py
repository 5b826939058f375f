"""The expected cost of a setting: seconds on two CPU cores and on a GPU, bytes on disk."""

from dataclasses import dataclass

MEASURED = {  # measured seconds of one seed on two CPU cores
    "rf_noisy_mnist": 2, "mlp_mnist": 4, "cnn_fashion_mnist": 70, "cnn_fashion_mnist_noisy": 130, "resnet8_mnist": 347,
    "resnet8_digits": 16, "resnet20_digits": 44, "resnet56_digits": 106,
}
LIKE = {  # settings -> a measured setting that takes about as long
    "rf_noisy_mnist_sgd": "rf_noisy_mnist", "mlp_mnist_sgd": "mlp_mnist", "mlp_mnist_adam_1e-3": "mlp_mnist",
    "cnn_fashion_mnist_sgd": "cnn_fashion_mnist", "cnn_cifar10": "cnn_fashion_mnist",
}
ON_CPU = {  # GFLOP per second on one core
    "images": 35.0,  # measured with ResNet-8 on MNIST, including evaluation
    "texts": 60.0,  # measured with MiniLM on WordNet, on a busy machine
}
STATE = {"adam": 2, "sgd": 1}  # numbers per parameter that an optimiser stores


@dataclass(frozen=True)
class Expected:
    """Seconds of one seed on two CPU cores and on one H100, None if unknown.

    measured: which of "cpu" and "gpu" were measured; the others are estimated.
    """

    cpu: float | None = None
    gpu: float | None = None
    measured: tuple[str, ...] = ()


def expected(setting):
    """The `Expected` cost of a setting."""
    models = [setting.model, *([setting.student_model] * 2 if setting.student_model else [setting.model])]
    known = all(model.cost for model in models) and size(setting) is not None
    gpu = round(_seconds(setting, models, lambda cost: cost.on_gpu)) if known else None
    if setting.name in MEASURED:
        return Expected(MEASURED[setting.name], gpu, ("cpu",))
    if setting.name in LIKE:
        return Expected(MEASURED[LIKE[setting.name]], gpu)
    rate = ON_CPU["texts" if setting.data.set.texts else "images"]
    return Expected(round(_seconds(setting, models, lambda cost: rate / cost.gflop)) if known else None, gpu)


def size(setting):
    """The pixels of an image or the mean number of tokens of a text; None for other examples."""
    dataset = setting.data.set
    if dataset.texts:
        return min(dataset.tokens, setting.data.view.length)
    return dataset.shape[1] * dataset.shape[2] if len(dataset.shape) == 3 else None


def _seconds(setting, models, rate):
    """Seconds of all training at rate(cost) examples per second; the teacher's forward pass costs a third of a step."""
    images = setting.teacher.epochs * (setting.data.train_examples or setting.data.set.examples[0])
    a_second = [rate(model.cost) * model.cost.side**2 / size(setting) for model in models]
    return images * (sum(1 / speed for speed in a_second) + 1 / a_second[0] / 3)


def kept_bytes(setting, parameters):
    """Estimated bytes on disk of a run folder, of the last two checkpoints, and of the teacher's folder.

    parameters: numbers of trained parameters of the teacher ("trained") and, if it has another architecture, the
    student ("student"). Logits and weights are float32, or float64 with precision fp64.
    """
    pool, test = setting.data.set.examples
    train = min(count for count in (pool, setting.data.train_examples, setting.evaluation.saved_logits)
                if count is not None)
    size = 8 if setting.precision == "fp64" else 4
    logits = size * (train + test) * setting.data.set.classes
    teacher, student = (size * parameters.get(name, parameters["trained"]) for name in ("trained", "student"))
    networks = 2 if setting.is_self_distillation else 3
    return {"run": networks * logits + student,
            "checkpoints": 2 * max(teacher * (1 + STATE[setting.teacher.optimiser]),
                                   student * (1 + STATE[setting.student.optimiser])),
            "teacher": logits + teacher}
