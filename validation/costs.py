"""What a setting costs, before it is run: seconds on this machine and on a GPU, bytes on the disk."""

from dataclasses import dataclass

MEASURED = {  # seconds that one seed took on two CPU cores
    "rf_noisy_mnist": 2, "mlp_mnist": 4, "cnn_fashion_mnist": 70, "cnn_fashion_mnist_noisy": 130, "resnet8_mnist": 347,
    "resnet8_digits": 16, "resnet20_digits": 44, "resnet56_digits": 106,
}
LIKE = {  # settings that take about as long as a measured one
    "rf_noisy_mnist_sgd": "rf_noisy_mnist", "mlp_mnist_sgd": "mlp_mnist", "mlp_mnist_adam_1e-3": "mlp_mnist",
    "cnn_fashion_mnist_sgd": "cnn_fashion_mnist", "cnn_cifar10": "cnn_fashion_mnist",
}
ON_CPU = 35.0  # GFLOP a second, as ResNet-8 on MNIST went on one core, evaluation included
STATE = {"adam": 2, "sgd": 1}  # numbers that an optimiser keeps for each parameter


@dataclass(frozen=True)
class Expected:
    """Seconds that one seed takes on two CPU cores and on one H100, None where that is unknown.

    measured: which of "cpu" and "gpu" were measured; the rest is estimated.
    """

    cpu: float | None = None
    gpu: float | None = None
    measured: tuple[str, ...] = ()


def expected(setting):
    """`Expected` of a setting."""
    models = [setting.model, *([setting.student_model] * 2 if setting.student_model else [setting.model])]
    known = all(model.cost for model in models) and len(setting.data.set.shape) == 3
    gpu = round(_seconds(setting, models, lambda cost: cost.on_gpu)) if known else None
    if setting.name in MEASURED:
        return Expected(MEASURED[setting.name], gpu, ("cpu",))
    if setting.name in LIKE:
        return Expected(MEASURED[LIKE[setting.name]], gpu)
    return Expected(round(_seconds(setting, models, lambda cost: ON_CPU / cost.gflop)) if known else None, gpu)


def _seconds(setting, models, rate):
    """What the trainings take at rate(cost) images a second; the teacher's answers cost a third of a step."""
    _, height, width = setting.data.set.shape
    images = setting.teacher.epochs * (setting.data.train_examples or setting.data.set.examples[0])
    a_second = [rate(model.cost) * model.cost.side**2 / (height * width) for model in models]
    return images * (sum(1 / speed for speed in a_second) + 1 / a_second[0] / 3)


def kept_bytes(setting, parameters):
    """Estimated bytes on the disk: of a run folder, of the last two checkpoints, of the teacher's folder.

    parameters: numbers of trained parameters, "trained" of the teacher and "student" of another student. Logits and
    weights are float32, or float64 with a precision of fp64.
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
