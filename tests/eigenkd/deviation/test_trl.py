"""The callback in TRL's distillation trainers, on tiny models that are made on the spot."""

import runpy
from pathlib import Path

import pytest
import torch

trl = pytest.importorskip("trl", reason="TRL is not installed: pip install 'eigenkd[trl]'")
from eigenkd.deviation import compare  # noqa: E402
from eigenkd.deviation.callback import DeviationCallback, numbers  # noqa: E402

EXAMPLE = runpy.run_path(str(Path(__file__).parents[3] / "docs" / "trl_distillation.py"))


def logged(trainer):
    return [entry for entry in trainer.state.log_history if "eval_deviation_kl" in entry]


def test_the_example_logs_what_compare_finds_on_its_texts():
    trainer, callback = EXAMPLE["main"]()
    tokens = EXAMPLE["tokenizer"]()
    batch = tokens(EXAMPLE["TEXTS"], padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = [net.eval()(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
                  for net in (trainer.teacher_model, trainer.model)]
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)[:, 1:]
    wanted = numbers(compare(*(rows.numpy() for rows in logits), labels.numpy()))
    found = logged(trainer)
    assert [entry["step"] for entry in found] == [2, 4]
    for name, value in wanted.items():
        assert found[-1][f"eval_deviation_{name}"] == pytest.approx(value, rel=1e-3), name
    assert callback.last.points == wanted["tokens"] == int((labels != -100).sum())


def test_without_texts_it_measures_the_completions_that_the_student_writes(tmp_path):
    tokens = EXAMPLE["tokenizer"]()
    teacher, student = (EXAMPLE["model"](1, len(tokens), seed) for seed in (0, 1))
    prompts = EXAMPLE["Dataset"].from_dict({"prompt": ["A student", "Gradient descent learns"]})
    trainer = trl.DistillationTrainer(
        model=student, teacher_model=teacher, processing_class=tokens, train_dataset=prompts, eval_dataset=prompts,
        args=trl.DistillationConfig(output_dir=str(tmp_path), max_completion_length=5, report_to=[], use_cpu=True,
                                    bf16=False, gradient_checkpointing=False, disable_tqdm=True))
    callback = DeviationCallback(teacher, trainer)
    trainer.add_callback(callback)
    assert trainer.evaluate()["eval_deviation_kl"] > 0
    assert 2 <= callback.last.points <= 2 * 5  # a completion ends with <eos> or after five tokens
    alone = DeviationCallback(teacher)
    with pytest.raises(ValueError, match=r"data: expected batches that are mappings with input_ids, got list; pass "):
        alone.on_evaluate(None, None, None, model=student, eval_dataloader=[[{"prompt": "A student"}]])


def test_batches_of_generalised_distillation_have_prompts_besides(tmp_path):
    from trl.experimental.gkd import GKDConfig, GKDTrainer

    tokens = EXAMPLE["tokenizer"]()
    tokens.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    teacher, student = (EXAMPLE["model"](1, len(tokens), seed) for seed in (0, 1))
    chats = EXAMPLE["Dataset"].from_list([{"messages": [{"role": "user", "content": "A student"},
                                                        {"role": "assistant", "content": text}]}
                                          for text in ("is trained", "learns the top directions")])
    trainer = GKDTrainer(
        model=student, teacher_model=teacher, processing_class=tokens, train_dataset=chats, eval_dataset=chats,
        args=GKDConfig(output_dir=str(tmp_path), max_steps=1, lmbda=0.0, eval_strategy="steps", eval_steps=1,
                       save_strategy="no", report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False,
                       disable_tqdm=True))
    trainer.add_callback(DeviationCallback(teacher, trainer))
    trainer.train()
    (entry,) = logged(trainer)
    assert entry["eval_deviation_kl"] > 0 and entry["eval_deviation_tokens"] > 0
