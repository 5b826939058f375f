"""A callback for the Trainer of transformers that measures the student against its teacher at each evaluation.

    trainer.add_callback(DeviationCallback(teacher, trainer))

It logs eval_deviation_kl, _slope_low, _slope_high, _underfit, _overfit, _entropy_gap (student minus teacher),
_agreement and _tokens.
"""

from math import isfinite

import torch

from eigenkd.deviation.inputs import NO_LABEL
from eigenkd.deviation.stream import Stream

try:
    from transformers import TrainerCallback
except ImportError as error:
    raise ImportError("eigenkd.deviation.callback: expected transformers, which is missing; pip install "
                      "transformers") from error


class DeviationCallback(TrainerCallback):
    """Measures a causal language model against its teacher on the batches of each evaluation.

    teacher: a model with the same vocabulary, called with the same batches. trainer: whose `log` the numbers go to, and
    with it to whatever it reports to; without one they are only in the state's log_history. batches: how many batches
    of an evaluation to use, at most; None for all. last: the `Deviation` of the latest evaluation.

    Labels of -100 are left out. The logits at a place are compared where they predict the label of the next one.
    """

    def __init__(self, teacher, trainer=None, batches=None):
        if batches is not None and batches < 1:
            raise ValueError(f"batches: expected a number of 1 or more or None for all, got {batches}")
        self._teacher, self._trainer, self._batches, self.last = teacher.eval(), trainer, batches, None

    def on_evaluate(self, args, state, control, model=None, eval_dataloader=None, metrics=None, **kwargs):
        """Run both models on the batches and log what comes out."""
        if model is None or eval_dataloader is None:
            return
        self.last = self._measured(model, eval_dataloader)
        found = {f"eval_deviation_{name}": value for name, value in numbers(self.last).items()}
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
                batch = {name: value.to(device) for name, value in batch.items() if isinstance(value, torch.Tensor)}
                labels = batch.pop("labels", None)
                if labels is None:
                    labels = batch["input_ids"].masked_fill(
                        batch.get("attention_mask", torch.ones_like(batch["input_ids"])) == 0, NO_LABEL)
                teacher, student = self._teacher(**batch).logits, model(**batch).logits
                if teacher.shape != student.shape:
                    raise ValueError(f"teacher: expected a model with the student's {student.shape[-1]} tokens, got "
                                     f"{teacher.shape[-1]}; cut the padding of both vocabularies to the same size")
                stream.update(teacher[:, :-1].float(), student[:, :-1].float(), labels[:, 1:])
        finally:
            model.train(training)
        return stream.result()


def numbers(deviation):
    """What is logged of a `Deviation`, name -> number; slopes that cannot be told are left out."""
    found = {
        "kl": deviation.kl, "slope_low": deviation.slope("low").value, "slope_high": deviation.slope("high").value,
        "underfit": deviation.underfit(), "overfit": deviation.overfit(), "agreement": deviation.agreement,
        "entropy_gap": float(deviation.mean(deviation.student_entropy - deviation.teacher_entropy).value),
        "tokens": deviation.points}
    return {name: value for name, value in found.items() if isfinite(value)}
