"""A callback for the Trainer of transformers, and for TRL's, that measures the student at each evaluation.

    trainer.add_callback(DeviationCallback(teacher, trainer))

It logs, under the prefix of the evaluation ("eval", or "eval_NAME" for one of several data sets), eval_deviation_kl,
_slope_low, _slope_high, _underfit, _overfit, _entropy_gap (student minus teacher),
_agreement and _tokens. docs/trl_distillation.py is an example.
"""

import inspect
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

import torch

from eigenkd.deviation.inputs import NO_LABEL
from eigenkd.deviation.stream import Stream

if TYPE_CHECKING:
    from eigenkd.deviation.measured import Deviation

try:
    from transformers import TrainerCallback
except ImportError as _error:
    raise ImportError("eigenkd.deviation.callback: expected transformers, which is missing; pip install "
                      "transformers") from _error


class DeviationCallback(TrainerCallback):
    """Measures a causal language model against its teacher at each evaluation.

    teacher: a model with the same vocabulary, called with the same batches. trainer: whose `log` the numbers go to, and
    with it to whatever it reports to; without one they are only in the state's log_history. data: batches to measure
    on, mappings of input_ids and, where there is padding, attention_mask or labels; default: those of the evaluation.
    TRL's on-policy trainers evaluate on what the student writes, another text at each evaluation: with `data` the
    numbers of all evaluations are of the same text. batches: how many batches to use, at most; None for all. last: the
    `Deviation` of the latest evaluation.

    Labels of -100 are left out. The logits at a place are compared where they predict the label of the next one. Each
    process measures the batches that it evaluates.
    """

    def __init__(self, teacher: Any, trainer: Any = None, batches: int | None = None, data: Any = None) -> None:
        if batches is not None and batches < 1:
            raise ValueError(f"batches: expected a number of 1 or more or None for all, got {batches}")
        self._teacher, self._trainer, self._batches = teacher.eval(), trainer, batches
        self.last: Deviation | None = None
        self._data = list(data) if isinstance(data, Iterator) else data  # a generator gives its batches once

    def on_evaluate(self, args: Any, state: Any, control: Any, model: Any = None, eval_dataloader: Any = None,
                    metrics: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Run both models on the batches and log what comes out."""
        data = eval_dataloader if self._data is None else self._data
        if model is None or data is None:
            return
        self.last = deviation = self._measured(model, data)
        prefix = next((key.removesuffix("_loss") for key in metrics or () if key.endswith("_loss")), "eval")
        found = {f"{prefix}_deviation_{name}": value for name, value in numbers(deviation).items()}
        if metrics is not None:
            metrics.update(found)
        if self._trainer is not None:
            self._trainer.log(found)
        else:
            state.log_history.append({**found, "step": state.global_step})

    @torch.no_grad()
    def _measured(self, model, batches):
        stream, training = Stream(inputs="logits"), model.training
        model.eval()
        device = next(model.parameters()).device
        self._teacher.to(device)
        try:
            for k, batch in enumerate(batches):
                if k == self._batches:
                    break
                batch, labels = self._inputs(batch, device)
                teacher, student = (net(**_taken(net, batch)).logits for net in (self._teacher, model))
                if teacher.shape != student.shape:
                    raise ValueError(f"teacher: expected a model with the student's {student.shape[-1]} tokens, got "
                                     f"{teacher.shape[-1]}; cut the padding of both vocabularies to the same size")
                stream.update(teacher[:, :-1].float(), student[:, :-1].float(), labels[:, 1:])
        finally:
            model.train(training)
        return stream.result()

    def _inputs(self, batch, device):
        """(what both models take, labels) of a batch."""
        if not isinstance(batch, Mapping) and self._trainer is not None:
            batch = self._trainer._prepare_inputs(batch)  # an on-policy trainer lets the student write completions
        if isinstance(batch, Mapping) and {"prompt_ids", "completion_ids"} <= set(batch):
            batch = _completed(batch)
        if not isinstance(batch, Mapping) or "input_ids" not in batch:
            came = f"the keys {', '.join(map(str, batch))}" if isinstance(batch, Mapping) else type(batch).__name__
            raise ValueError(f"data: expected batches that are mappings with input_ids, got {came}; pass "
                             "DeviationCallback(teacher, trainer, data=[{'input_ids': ..., 'attention_mask': ...}])")
        batch = {name: value.to(device) for name, value in batch.items() if isinstance(value, torch.Tensor)}
        labels = batch.pop("labels", None)
        if labels is None:
            ids = batch["input_ids"]
            labels = ids.masked_fill(batch.get("attention_mask", torch.ones_like(ids)) == 0, NO_LABEL)
        return batch, labels


def numbers(deviation: 'Deviation') -> dict[str, float]:
    """What is logged of a `Deviation`, name -> number; slopes that cannot be told are left out."""
    found = {
        "kl": deviation.kl, "slope_low": deviation.slope("low").value, "slope_high": deviation.slope("high").value,
        "underfit": deviation.underfit(), "overfit": deviation.overfit(), "agreement": deviation.agreement,
        "entropy_gap": float(deviation.mean(deviation.student_entropy - deviation.teacher_entropy).value),
        "tokens": deviation.points}
    return {name: value for name, value in found.items() if isfinite(value)}


def _completed(batch):
    """A batch of prompts (padded on the left) and completions as input_ids, with labels on the completions alone."""
    prompt, completion = batch["prompt_ids"], batch["completion_ids"]
    mask = batch["completion_mask"]
    labels = completion.masked_fill(mask * batch.get("tool_mask", torch.ones_like(mask)) == 0, NO_LABEL)
    return {"input_ids": torch.cat([prompt, completion], dim=1),
            "attention_mask": torch.cat([batch["prompt_mask"], mask], dim=1),
            "labels": torch.cat([torch.full_like(prompt, NO_LABEL), labels], dim=1)}


def _taken(model, batch):
    """Those of a batch that the model's `forward` names: collators add others, such as TRL's prompts."""
    names = inspect.signature(model.forward).parameters
    return {name: value for name, value in batch.items() if name in names}
