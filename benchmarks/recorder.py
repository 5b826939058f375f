"""The cost of recording layers along eigendirections, compared with the training steps."""

import time
from dataclasses import replace
from statistics import median

import torch

from benchmarks.timing import machine
from eigenkd.table import Cells
from eigenkd.torch import Recorder
from validation.assembly import build, eigenbases
from validation.data import generated
from validation.data.examples import draw
from validation.device import threads
from validation.engine import Engine
from validation.inputs import Inputs
from validation.roles import roles
from validation.settings import SETTINGS
from validation.settings.images import SETTINGS as IMAGES
from validation.train import train

WATCHED = {"rf_noisy_mnist": 128, "mlp_mnist": 128, "cnn_fashion_mnist": 512, "resnet8_mnist": 512,
           "resnet56_digits": 512, "resnet_cifar10": 1024}  # number of synthetic examples, of the data set's shape
WARM, MEASURED = 4, 24  # steps
NOTES = {
    "step": "median seconds of a training step of validation.train, one thread, without recording",
    "record": "median seconds of one call of the recorder, for all layers of the setting",
    "every": "steps between two records in the setting", "cost": "record / (every * step): the share of the training",
    "under 5 %": "the smallest number of steps between two records at which recording costs less than 5 %",
    "deeper layers": "the recorder stores their weights while a teacher trains and projects them while a student "
                     "trains; the more expensive case, the student's, is measured",
}


def run():
    """The record: seconds of a step and of a record for each kind of network, and the share of the training."""
    with threads(1):
        return {"question": __doc__, "notes": NOTES, "recorder": {name: measured(name) for name in WATCHED},
                "machine": machine("torch", "eigenkd")}


def measured(name):
    """The cost of the setting's recorder."""
    setting, engine, examples = SETTINGS[name], Engine(torch.device("cpu")), WATCHED[name]
    role, dataset = roles(setting)["teacher"], setting.data.set
    recipe = role.recipe
    batch = min(recipe.batch_size, 128) if setting in IMAGES else recipe.batch_size  # 1,024 would take half a minute
    splits = generated.load(dataset.shape, dataset.classes, examples, 16)
    embeddings, networks = build(setting, seed=0)
    inputs = Inputs(draw(splits, replace(setting.data, train_examples=examples), 0), setting, embeddings["teacher"],
                    engine.device, seed=0, channels_last=engine.channels_last)
    network = engine.placed(networks["student"])
    bases = {layer: basis(network) if callable(basis) else basis
             for layer, basis in eigenbases(setting, inputs, network).items()}
    recorder, marks, records = Recorder(network, bases), [], []

    def on_step(step):
        marks.append(time.perf_counter())  # end of the previous step
        recorder(step)
        records.append(time.perf_counter() - marks[-1])
        marks.append(time.perf_counter())  # start of the next step

    epochs = -(-(WARM + MEASURED) * batch // examples)
    recipe = replace(recipe, epochs=epochs, batch_size=batch, warmup_epochs=0, decay_epochs=())
    train(network, inputs.train, replace(role, recipe=recipe), seed=0, on_step=on_step)
    steps = [end - begin for begin, end in zip(marks[1::2], marks[2::2])]
    step, record = median(steps[WARM:]), median(records[WARM:])
    return {"batch": batch, "step": step, "record": record, "every": setting.analysis.every,
            "cost": record / (setting.analysis.every * step), "least_every": int(record / (0.05 * step)) + 1}


def table(record):
    """The `Cells` of the cost of recording in each network."""
    return Cells(("network, batch", "step, ms", "record, ms", "every", "cost", "under 5 % from every"), tuple(
        (f"{name}, {found['batch']}", f"{1e3 * found['step']:.2f}", f"{1e3 * found['record']:.2f}", str(found["every"]),
         f"{found['cost']:.1%}", str(found["least_every"])) for name, found in record["recorder"].items()))
