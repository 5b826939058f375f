"""Measurements that need a GPU: images per second compared with its memory limit, and settings too slow for a CPU."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path

import torch

from benchmarks.timing import machine
from eigenkd import _atomic as atomic
from validation.assembly import build
from validation.compact import keep
from validation.data import generated
from validation.data.examples import draw
from validation.device import described
from validation.engine import Engine
from validation.inputs import Inputs
from validation.models import ResNet
from validation.record import COMMITTED
from validation.roles import roles
from validation.runs import find
from validation.settings import SETTINGS
from validation.train import train

CIFAR10 = SETTINGS["resnet_cifar10"]
NETWORKS = {"ResNet-56": CIFAR10, "ResNet-20": replace(CIFAR10, model=ResNet(depth=20)),
            "MobileNet-v2": SETTINGS["mobilenet_cifar10"]}
BATCHES = (128, 1024)
TRAINED = tuple(("resnet_fashion_mnist", seed) for seed in range(3))
PASSES = 16  # memory passes over each convolution's output in a training step, see NOTES
WARM, MEASURED = 20, 100  # steps
NOTES = {
    "images_per_second": f"whole training steps of validation.train with CIFAR-10's shape and augmentation, {MEASURED} "
                         f"steps after {WARM}: median and range of their fifths; 'student' includes the forward passes "
                         "of its teacher",
    "floor": f"images per second if only memory bandwidth counted: {PASSES} passes over every convolution's output in "
             "bf16. Forward: 2 for the convolution, 3 for normalisation and relu (statistics, second read, result). "
             "Backward: 5 for these, 4 for the two gradients of the convolution. 2 for the sums of the residual "
             "branches. ResNet-56: 17 MB",
    "bandwidth": "bytes read and written per second when copying 1 GiB, measured in the same call",
    "compiled": "with torch.compile's defaults",
}


@dataclass(frozen=True)
class Task:
    """A measurement: is_done() says whether it has a record; do(seconds) runs it, or a part that can be resumed."""

    name: str
    is_done: Callable[[], bool]
    do: Callable[[float], None]


def main(results, minutes, *, records=COMMITTED, runs=Path("runs"), device=None):
    """Runs the tasks without a record for about `minutes`. Returns the exit code: 0 if nothing is left, else 1.

    results: the folder of gpu.json. Without a GPU it only lists what is left.
    """
    everything = tasks(results / "gpu.json", records, runs, device or "cuda")
    left = [task for task in everything if not task.is_done()]
    for task in everything:
        print(f"  {'pending' if task in left else 'done   '}  {task.name}", flush=True)
    if not left:
        return 0
    if device is None and not torch.cuda.is_available():
        print("error: expected an NVIDIA GPU that PyTorch can use, got none; run this command on a machine with one",
              file=sys.stderr)
        return 1
    end = time.monotonic() + 60 * minutes
    for task in left:
        if time.monotonic() < end:
            print(f"{task.name} ...", flush=True)
            task.do(end - time.monotonic())
    left = [task.name for task in everything if not task.is_done()]
    print("nothing is left" if not left else f"left, run the same command again: {', '.join(left)}")
    return 1 if left else 0


def tasks(path, records, runs, device):
    """All `Task`s: throughputs in the JSON file `path`, then training runs, whose compact records go to `records`."""
    made = []
    for network, batch, role, compiled in product(NETWORKS, BATCHES, ("teacher", "student"), (False, True)):
        name = f"{network}, {role}, batch {batch}, {'compiled' if compiled else 'eager'}"
        made.append(Task(name, lambda name=name: name in _read(path).get("throughput", {}),
                         lambda _, name=name, way=(NETWORKS[network], role, batch, compiled): _measure(
                             path, name, *way, device)))
    for setting, seed in TRAINED:
        made.append(Task(f"{setting} seed {seed}", lambda setting=setting, seed=seed: bool(
            find(setting, seeds=seed, out=records, committed=records)),
            lambda seconds, setting=setting, seed=seed: _train(setting, seed, records, runs, device, seconds)))
    return made


def throughput(setting, role, batch, compiled, device, warm=WARM, measured=MEASURED):
    """Images per second of the training steps of a teacher or student, for each fifth of the measured steps."""
    device = torch.device(device)
    engine = Engine(device, compiled=compiled)
    dataset, steps, marks = setting.data.set, warm + measured, {}
    splits = generated.load(dataset.shape, dataset.classes, 4 * batch, 16)
    embeddings, networks = build(setting, seed=0)
    inputs = Inputs(draw(splits, setting.data, 0), setting, embeddings["teacher"], device, seed=0,
                    channels_last=engine.channels_last)
    network, precision = engine.placed(networks["student"]), engine.precision(setting.precision)
    forward = engine.forward(engine.placed(networks["teacher"]).eval().requires_grad_(False), trained=False)

    @torch.no_grad()
    def answer(views, _):
        return forward(views)

    def mark(step):
        if step >= warm and (step - warm) % (measured // 5) == 0:
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            marks[step] = time.perf_counter()

    role = roles(setting)[role]
    recipe = replace(role.recipe, batch_size=batch, epochs=-(-steps // 4), warmup_epochs=0, decay_epochs=())
    with engine.repeatable():
        train(network, inputs.train, replace(role, recipe=recipe), seed=0, teacher=answer,
              forward=engine.forward(network), precision=precision, on_step=mark)
    return [batch * (to - since) / (after - before)
            for (since, before), (to, after) in pairwise(sorted(marks.items())[:6])]


def bytes_per_image(setting):
    """Bytes that a fused training step moves per image: `PASSES` over each convolution's output in bf16."""
    network, moved = build(setting, seed=0)[1]["teacher"].eval(), []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda _, __, output: moved.append(output[0].numel()))
    with torch.no_grad():
        network(torch.zeros(1, *setting.data.set.shape))
    return PASSES * 2 * sum(moved)


def bandwidth(device, size=2**30):
    """Bytes read and written per second when copying `size` bytes on the device."""
    source, target = (torch.empty(size, dtype=torch.uint8, device=device) for _ in range(2))
    seconds = []
    for _ in range(12):
        begin = time.perf_counter()
        target.copy_(source)
        if source.is_cuda:
            torch.cuda.synchronize(source.device)
        seconds.append(time.perf_counter() - begin)
    return 2 * size / sorted(seconds)[len(seconds) // 2]


def _measure(path, name, setting, role, batch, compiled, device):
    """Adds one throughput to the file."""
    *_, rate, _, _ = rates = sorted(throughput(setting, role, batch, compiled, device))
    record = _read(path)
    if "bandwidth" not in record:
        record = {"question": __doc__, "notes": NOTES, "device": described(torch.device(device)),
                  "machine": machine("torch", "torchvision", "eigenkd"), "bandwidth": bandwidth(device),
                  "throughput": {}}
    floor = record["bandwidth"] / bytes_per_image(setting)
    record["throughput"][name] = {"images_per_second": rate, "least": rates[0], "greatest": rates[-1], "floor": floor}
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(path, (json.dumps(record, indent=1) + "\n").encode())
    print(f"  {rate:,.0f} images per second, {rate / floor:.0%} of the memory limit")


def _train(setting, seed, records, runs, device, seconds):
    """Runs or resumes a setting for up to `seconds`; the compact record of a finished run goes to `records`."""
    process = subprocess.Popen([sys.executable, "-m", "validation.run", setting, "--seeds", str(seed), "--device",
                                device, "--out", str(runs)])
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)  # it saves a checkpoint and resumes from there in the next call
        process.wait()
    if process.returncode == 0:
        for run in find(setting, seeds=seed, out=runs, committed=runs):
            keep(run.folder, records / run.name / run.folder.name)


def _read(path):
    return json.loads(path.read_text()) if path.is_file() else {}
