"""Trains a teacher and its students, quantises it, and compares all of them with it."""

import hashlib

import numpy as np
import torch

from validation.device import described
from validation.engine import Engine
from validation.language_models.measurement import EDGES, compared, density, divergence, kept
from validation.language_models.network import Causal
from validation.language_models.quantisation import FORMATS, matched, quantised
from validation.language_models.setting import NAME
from validation.language_models.text import Contexts, corpus, examples
from validation.plans import held, plan_of
from validation.progress import Progress
from validation.provenance import provenance
from validation.record import Folder
from validation.roles import Role
from validation.seeding import local_default
from validation.trainer import Trainer

STUDENTS, MATCHED = ("student", "one_hot"), "equal KL"
DRAWN = ("student", "Q4_0", MATCHED)  # whose densities are kept


def run(study, out, *, device, data_dir, note=lambda text: None):
    """Runs one `LanguageModels` setting in `out`, unless the run is finished, and returns its result.

    A run that was stopped goes on from its last checkpoint, a minute old at most."""
    with held(plan_of(study, study.seed, out=out, data_dir=data_dir), note) as plan:
        return plan.folder.finished() if plan.state == "show" else _run(plan, study, device, data_dir, note)


def _run(plan, study, device, data_dir, note):
    text = corpus(study, data_dir)
    inputs, engine = Contexts(text, device), Engine(device)
    plan.folder.begin(plan.configuration)
    teacher, one_hot = (trained(plan, study, role, inputs, engine, note) for role in ("teacher", "one_hot"))
    students = dict(zip(STUDENTS, (trained(plan, study, "student", inputs, engine, note, teacher), one_hot)))
    target = divergence(teacher, students["student"], inputs.test)
    steps = matched(teacher, lambda model: divergence(teacher, model, inputs.test), target)
    models = students | {name: quantised(teacher, *format) for name, format in FORMATS.items()}
    models[MATCHED] = quantised(teacher, steps)
    measured = {name: examples(rows, device) for name, rows in measured_contexts(text, study).items()}
    found = {split: compared(teacher, models, contexts) for split, contexts in measured.items()}
    plan.folder.save("densities", edges=EDGES, **{name: density(found["test"][name]) for name in DRAWN})
    return plan.folder.finish({
        "setting": NAME, "title": study.title, "seed": study.seed, "smoke": False,
        **provenance(described(device), torch.get_num_threads()),
        "data": {"source": plan.source.name, "note": f"all definitions and examples; {plan.source.note}",
                 "sha256": hashlib.sha256(b"".join(part.tobytes() for part in (text.train, text.test))).hexdigest()},
        "parameters": {role: sum(weights.numel() for weights in network.parameters())
                       for role, network in {"teacher": teacher, **students}.items()},
        "steps": {name: format[0] for name, format in FORMATS.items()} | {MATCHED: steps},
        "measured": {split: {name: kept(d) for name, d in models.items()} for split, models in found.items()}})


def measured_contexts(text, study):
    """The contexts (n, t + 1) that are measured: those held out, and as many of the training text."""
    count = len(text.test)
    return {"test": text.test, "train": text.train[np.arange(count) * len(text.train) // count]}


def untrained(study, role):
    """The network of a role as it begins; both students begin with the same weights."""
    teacher = role == "teacher"
    with local_default(study.seed, "initialisation", "teacher" if teacher else "student"):
        return Causal(study.vocabulary, study.hidden, study.layers if teacher else study.student_layers, study.heads,
                      study.context)


def trained(plan, study, name, inputs, engine, note, teacher=None):
    """The network of a role, trained in the folder of that name in the run's: found finished, resumed, or trained now.

    teacher: the network whose answers it is trained on, if any."""
    network, folder = untrained(study, name), Folder(plan.folder.path, name)
    configuration = plan.configuration | {"role": name}
    if folder.is_finished() and folder.configuration() == configuration:
        folder.load_weights(network)
        return engine.placed(network)
    note(f"{folder.path} ...")
    folder.begin(configuration)
    answer = None if teacher is None else torch.no_grad()(lambda views, indices: teacher.eval()(views))
    role = Role(name, f"--{name}", "teacher" if name == "one_hot" else name, None, study.recipe(name))
    done = Trainer(role, network, folder, inputs, seed=study.seed, precision="fp32", engine=engine,
                   progress=Progress(silent=True)).run(answer)
    folder.save_weights(done.network)
    folder.finish({"seed": study.seed, "role": name, "seconds": round(done.seconds, 3),
                   **provenance(described(engine.device), torch.get_num_threads())})
    return done.network
