"""Trains one network, from its newest checkpoint if there is one."""

from dataclasses import dataclass, field

import numpy as np
import torch

from eigenkd.torch import Recorder
from validation.device import described
from validation.engine import Clock
from validation.errors import UsageError, blaming
from validation.interrupts import Stopped
from validation.seeding import local_default
from validation.state import TrainingState
from validation.train import predict, train

RECORDED, SNAPSHOTS = "recorded/", "snapshots/"  # in a checkpoint


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network and what is kept of it: the paths of its recorded layers by name, as `Recorder.paths` has
    them, its logits, on the CPU, on the training examples whose logits are saved and on the test set, its lines of
    metrics.jsonl, the seconds it took, the name of its folder, the device it was trained on, and, by epoch, the logits
    on the same training examples along the way that were asked for."""

    network: torch.nn.Module
    paths: dict[str, np.ndarray]
    train: torch.Tensor
    test: torch.Tensor
    log: list
    seconds: float
    folder: str
    device: str
    snapshots: dict[int, torch.Tensor] = field(default_factory=dict)


class Trainer:
    """The training of `network` in a role, kept in `folder`.

    role: a `validation.roles.Role`; precision: a setting's; recorder: a `Recorder`, by itself one of no layer; before:
    lines that metrics.jsonl begins with; snapshots: epochs after which the logits are kept. The result depends on the
    seed, the role, the inputs and the network alone: not on when the training was interrupted or saved.
    """

    def __init__(self, role, network, folder, inputs, *, seed, precision, engine, progress, recorder=None, before=(),
                 snapshots=()):
        self.role, self.recipe, self.folder, self.inputs, self.seed = role, role.recipe, folder, inputs, seed
        self.engine, self.group, self.progress = engine, engine.group, progress
        self.examples = inputs.trained_on(role)
        left = len(self.examples) % self.recipe.batch_size
        if 0 < left < self.group.size and not self.recipe.drop_last:
            raise UsageError(f"{role.flag}.batch-size: expected a last batch of {self.group.size} examples or more, "
                             f"one for each process, got {left}; pass another, or {role.flag}.drop-last")
        self.network = engine.placed(network)
        self.recorder = recorder or Recorder(self.network, {})
        self.precision = engine.precision(precision)
        self.state = TrainingState(self.network, self.recipe, self.group)
        self.before, self.log = list(before), []
        self.wanted, self.snapshots = snapshots, {}
        self.clock, self.test = Clock(), None
        self.checkpoints = folder.checkpoints(progress.note)
        self.saved = None

    def run(self, teacher=None):
        """Resumes from the newest whole checkpoint, or begins; returns `Trained`. teacher: see `train`."""
        engine, role = self.engine, self.role
        others = () if self.group.first else (self.group.rank,)  # the first process draws as a single one does
        with engine.interrupts.deferred(), local_default(self.seed, "training", role.stream, *others,
                                                         device=engine.device):
            self._resume()
            with engine.repeatable(), self.progress.training(role.name, self.recipe.epochs, self.state.epoch) as tell:
                self.tell = tell
                train(self.network, self.examples, role, seed=self.seed, teacher=teacher, state=self.state,
                      forward=engine.forward(self.network), precision=self.precision, group=self.group,
                      on_step=self._after_step, on_epoch=self._after_epoch)
            if engine.interrupts.received is not None and self.group.size == 1:
                self._save()  # a signal came in the very end
        with engine.exact():
            paths = self.recorder.paths()
        return Trained(self.network, paths, self._train_logits(), self._test_logits(), self.log, self.clock.seconds(),
                       self.folder.name, described(self.engine.device), self.snapshots)

    def _train_logits(self):
        """On the CPU, of the training examples whose logits are saved."""
        with self.engine.exact():
            return predict(self.network, self.inputs.train, self.inputs.saved, group=self.group).cpu()

    def _test_logits(self, check=lambda: None):
        """On the CPU, of the trained network; computed once."""
        if self.test is None:
            with self.engine.exact():
                self.test = predict(self.network, self.inputs.test, group=self.group, check=check).cpu()
        return self.test

    def _resume(self):
        number = self.group.on_first(self.checkpoints.newest)
        if number is not None:
            tensors, state = self.checkpoints.read(number)
            self.state.restore(tensors, state["counters"])
            self.recorder.restore({name.removeprefix(RECORDED): tensor for name, tensor in tensors.items()
                                   if name.startswith(RECORDED)})
            self.snapshots = {int(name.removeprefix(SNAPSHOTS)): tensor for name, tensor in tensors.items()
                              if name.startswith(SNAPSHOTS)}
            self.log, self.clock = state["log"], Clock(state["seconds"])
            self.progress.note(f"  {self.role.name}: resumes after step {self.state.step} (epoch "
                               f"{self.state.epoch + 1} of {self.recipe.epochs}) from {self.checkpoints.folder}")
        if self.group.first:
            self.folder.write_log(self.before + self.log)
        self.saved = self.state.step, self.clock.seconds()

    def _save(self):
        tensors = self.state.tensors()
        self.saved = self.state.step, self.clock.seconds()
        if not self.group.first:
            return
        recorded = {RECORDED + name: tensor for name, tensor in self.recorder.tensors().items()}
        snapshots = {f"{SNAPSHOTS}{epoch}": logits for epoch, logits in self.snapshots.items()}
        self.checkpoints.save(tensors | recorded | snapshots, {
            "role": self.role.stream, "counters": self.state.counters(), "log": self.log,
            "seconds": self.clock.seconds()})

    def _after_step(self, step):
        with blaming(f"{self.role.flag}.learning-rate"):
            self.recorder(step)
        received = self.engine.interrupts.received is not None
        steps, seconds = step - self.saved[0], self.clock.seconds() - self.saved[1]
        if self.group.agree(received or self.engine.interval.is_over(steps, seconds), step):
            if step and step > self.saved[0]:
                self._save()
            if self.group.agree(received, step):
                self._stop()

    def _after_epoch(self, epoch, step, loss):
        if epoch in self.wanted:
            self.snapshots[epoch] = self._train_logits()
        if epoch % self.inputs.every == 0 or epoch == self.recipe.epochs:
            self._evaluate(epoch, step, loss)

    def _evaluate(self, epoch, step, loss):
        def check():
            if self.engine.interrupts.received is not None and self.group.size == 1:
                self._save()
                self._stop()

        named = {"precision": self.precision, "group": self.group, "check": check}
        train, test, evaluated = self.inputs.train, self.inputs.test, self.inputs.evaluated
        of_train = predict(self.network, train, evaluated, **named)
        of_test = (self._test_logits(check) if epoch == self.recipe.epochs else
                   predict(self.network, test, **named))
        entry = {"role": self.role.stream, "epoch": epoch, "step": step, "loss": loss,
                 "train_accuracy": accuracy(of_train, train.labels[evaluated]),
                 "test_accuracy": accuracy(of_test, test.labels)}
        self.log.append(entry)
        if self.group.first:
            self.folder.log(entry)
        self.tell(entry | {"role": self.role.name})

    def _stop(self):
        raise Stopped(self.engine.interrupts.received or 15)


def accuracy(logits, labels):
    """The share of examples whose largest logit is the label's."""
    return (logits.argmax(dim=1) == labels.to(logits.device)).double().mean().item()
