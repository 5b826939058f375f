"""python -m validation.language_models RUN [--model student]: logits of a finished run's models on held-out text.

Writes teacher.npy and MODEL.npy of shape (contexts, tokens, vocabulary), labels.npy and tokenizer.json, which
python -m eigenkd.deviation reads.
"""

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from tyro.conf import Positional, arg

from validation.device import threads
from validation.errors import UsageError, exit_code
from validation.language_models.measurement import logits
from validation.language_models.quantisation import FORMATS, quantised
from validation.language_models.setting import NAME, LanguageModels
from validation.language_models.text import corpus, examples
from validation.language_models.training import MATCHED, STUDENTS, untrained
from validation.record import Folder

MODELS = (*STUDENTS, *FORMATS, MATCHED)


@dataclass(frozen=True)
class LogitsOptions:
    """Write the logits of a finished run's teacher and of one of its models on held-out text, with labels."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """A run folder with the weights, such as runs/language_models/seed0."""
    model: str = "student"
    """student, one_hot, Q8_0, Q4_0, "3 bits" or "equal KL"."""
    contexts: int = 16
    out: Path = Path("logits")
    data_dir: Path = Path("data")


def main(arguments=None):
    """Returns the exit code: 0, 2 for an error that the user can fix, 130 after Ctrl-C."""
    options = tyro.cli(LogitsOptions, prog="python -m validation.language_models", args=arguments)

    def work():
        with threads(1):
            write(options)

    return exit_code(work)


def write(options):
    """Writes the files. Raises UsageError for another model, and for a folder without such a run or its weights."""
    if options.model not in MODELS:
        raise UsageError(f"--model: expected one of {', '.join(MODELS)}, got {options.model!r}; pass one of these")
    folder = Folder.at(options.run)
    result = folder.finished()
    if result is None or result.get("setting") != NAME:
        raise UsageError(f"RUN: expected a finished run of {NAME}, got {options.run}; make one with: "
                         f"python -m validation.study {NAME}")
    values = folder.configuration()
    study = LanguageModels(**{field.name: values[field.name] for field in fields(LanguageModels)})
    models = {"teacher": loaded(study, folder, "teacher")}
    if options.model in STUDENTS:
        models[options.model] = loaded(study, folder, options.model)
    else:
        models[options.model] = quantised(models["teacher"],
                                          *FORMATS.get(options.model, (result["steps"][options.model],)))
    text = corpus(study, options.data_dir)
    if not 0 < options.contexts <= len(text.test):
        raise UsageError(f"--contexts: expected 1 to {len(text.test)}, got {options.contexts}; omit it for 16")
    shown = examples(text.test[:options.contexts], torch.device("cpu"))
    options.out.mkdir(parents=True, exist_ok=True)
    for name, model in models.items():
        with torch.no_grad():
            np.save(options.out / f"{name.replace(' ', '_')}.npy", logits(model, shown.inputs))
    np.save(options.out / "labels.npy", shown.labels.numpy())
    text.tokeniser.save(str(options.out / "tokenizer.json"))


def loaded(study, folder, role):
    """The trained network of a role in a run folder. Raises UsageError where its weights are missing."""
    network, own = untrained(study, role), Folder(folder.path, role)
    if not own.is_finished():
        raise UsageError(f"RUN: expected a run with its weights, got {folder.path} without {own.path}; records have "
                         f"none: run it with python -m validation.study {NAME}")
    own.load_weights(network)
    return network


if __name__ == "__main__":
    sys.exit(main())
