"""The Trainer's callback, on tiny models that are made on the spot."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from eigenkd.deviation import compare

transformers = pytest.importorskip("transformers")
from eigenkd.deviation.callback import DeviationCallback, numbers  # noqa: E402

V = 40


def model(seed, vocabulary=V):
    torch.manual_seed(seed)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=vocabulary, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=32, initializer_range=0.5))


def batches(labels=True):
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(V, (10, 12), generator=rng)
    mask = torch.ones_like(ids)
    mask[3:5, 7:] = 0
    found = [{"input_ids": ids[:6], "attention_mask": mask[:6]}, {"input_ids": ids[6:], "attention_mask": mask[6:]}]
    if labels:
        for batch in found:
            batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    return found


def expected(teacher, student, data):
    with torch.no_grad():
        logits = [torch.cat([net(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
                             for batch in data]).numpy() for net in (teacher, student)]
    labels = torch.cat([batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)[:, 1:] for batch in data])
    return compare(*logits, labels.numpy())


@pytest.mark.parametrize("labels", [True, False])
def test_it_logs_what_compare_finds(labels):
    teacher, student, data = model(0), model(1), batches(labels)
    student.train()
    callback, state, metrics = DeviationCallback(teacher), transformers.TrainerState(), {"eval_loss": 1.0}
    callback.on_evaluate(None, state, None, model=student, eval_dataloader=data, metrics=metrics)
    assert student.training and not teacher.training
    wanted = expected(teacher, student.eval(), data)
    (logged,) = state.log_history
    for name, value in numbers(wanted).items():
        assert logged[f"eval_deviation_{name}"] == metrics[f"eval_deviation_{name}"] == pytest.approx(value, rel=1e-4)
    assert logged["step"] == 0 and logged["eval_deviation_tokens"] == 10 * 11 - 2 * 5
    assert np.unique(callback.last.clusters).size == 10


def test_a_trainer_gets_the_numbers_and_batches_can_be_few():
    class Trainer:
        logs: list = []  # noqa: RUF012

        def log(self, found):
            self.logs.append(found)

    trainer = Trainer()
    callback = DeviationCallback(model(0), trainer, batches=1)
    callback.on_evaluate(None, transformers.TrainerState(), None, model=model(1), eval_dataloader=batches())
    assert trainer.logs[0]["eval_deviation_tokens"] == 6 * 11 - 2 * 5
    callback.on_evaluate(None, None, None)  # without a model there is nothing to measure
    assert len(trainer.logs) == 1


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="batches: expected a number of 1 or more or None for all, got 0"):
        DeviationCallback(model(0), batches=0)
    with pytest.raises(ValueError, match="teacher: expected a model with the student's 40 tokens, got 41"):
        DeviationCallback(model(0, 41)).on_evaluate(None, None, None, model=model(1), eval_dataloader=batches())
    program = "import sys; sys.modules['transformers'] = None; import eigenkd.deviation.callback"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "ImportError: eigenkd.deviation.callback: expected transformers, which is missing" in done.stderr


def test_in_a_real_trainer(tmp_path):
    pytest.importorskip("accelerate")
    data = [{"input_ids": ids, "labels": ids} for batch in batches() for ids in batch["input_ids"]]
    options = transformers.TrainingArguments(output_dir=str(tmp_path), max_steps=2, eval_strategy="steps", eval_steps=1,
                                             report_to=[], use_cpu=True, save_strategy="no", disable_tqdm=True)
    trainer = transformers.Trainer(model(1), options, train_dataset=data, eval_dataset=data)
    trainer.add_callback(DeviationCallback(model(0), trainer))
    trainer.train()
    logged = [entry["eval_deviation_kl"] for entry in trainer.state.log_history if "eval_deviation_kl" in entry]
    assert len(logged) == 2 and all(value > 0 for value in logged)


def test_data_sets_by_name_have_their_own_numbers_and_a_generator_lasts():
    teacher, student, data = model(0), model(1), batches()
    callback, state = DeviationCallback(teacher, data=(batch for batch in data)), transformers.TrainerState()
    for name in ("x", "y"):
        callback.on_evaluate(None, state, None, model=student, metrics={f"eval_{name}_loss": 1.0})
    assert [sorted(logged)[0] for logged in state.log_history] == ["eval_x_deviation_agreement",
                                                                   "eval_y_deviation_agreement"]
    assert state.log_history[0]["eval_x_deviation_kl"] == state.log_history[1]["eval_y_deviation_kl"]
