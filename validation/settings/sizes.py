"""How large and how long a setting is, before it is run: counts of examples, bytes on the disk, seconds."""

from validation.data import DATASETS

EXAMPLES = {  # to train on and to test on; of digits what there is without a download
    "mnist": (4_000, 1_000), "digits": (1_438, 359), "fashion_mnist": (60_000, 10_000), "cifar10": (50_000, 10_000),
    "cifar100": (50_000, 10_000), "tiny_imagenet": (100_000, 10_000), "imagenet": (1_281_167, 50_000),
}
STATE = {"adam": 2, "sgd": 1}  # numbers that an optimiser keeps for each parameter


def kept_bytes(setting, parameters):
    """Estimated bytes on the disk: of a run folder, of the last two checkpoints, of the teacher's folder.

    parameters: numbers of trained parameters, "trained" of the teacher and "student" of another student. Logits and
    weights are float32, or float64 with a precision of fp64.
    """
    size = 8 if setting.precision == "fp64" else 4
    pool, test = EXAMPLES[setting.data.name]
    train = min(count for count in (pool, setting.data.train_examples, setting.evaluation.kept) if count is not None)
    logits = size * (train + test) * DATASETS[setting.data.name].CLASSES
    teacher, student = (size * parameters.get(name, parameters["trained"]) for name in ("trained", "student"))
    networks = 2 if setting.is_self_distillation else 3
    return {"run": networks * logits + student,
            "checkpoints": 2 * max(teacher * (1 + STATE[setting.teacher.optimiser]),
                                   student * (1 + STATE[setting.student.optimiser])),
            "teacher": logits + teacher}
