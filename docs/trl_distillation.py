"""Distil a language model with TRL and watch how its confidence deviates from its teacher's: python trl_distillation.py

Both models and the tokenizer are made on the spot, so that nothing is downloaded and the run takes seconds. For your
own, replace `model(...)` by AutoModelForCausalLM.from_pretrained(...), and the texts by yours.
"""

import tempfile

import torch
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import DistillationConfig, DistillationTrainer

from eigenkd.deviation.callback import DeviationCallback

TEXTS = ["A student network is trained to match its teacher's soft predictions.",
         "Gradient descent learns the top eigendirections of the data first.",
         "Where the teacher is unsure, the student is even less sure.",
         "Two models of the same perplexity may differ in direction."]
STEPS = 4


def tokenizer():
    """A byte-level BPE of 300 tokens, trained on the texts."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    bpe.train_from_iterator(TEXTS, trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<pad>", "<eos>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token="<pad>", eos_token="<eos>", padding_side="left")


def model(layers, vocabulary, seed):
    """A Llama of a few ten thousand random weights."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=vocabulary, hidden_size=32, intermediate_size=64, num_hidden_layers=layers, num_attention_heads=2,
        max_position_embeddings=128, initializer_range=0.3, pad_token_id=0, eos_token_id=1))


def main():
    """Train, and give back the trainer and its callback."""
    tokens = tokenizer()
    teacher, student = model(2, len(tokens), seed=0), model(1, len(tokens), seed=1)
    prompts = Dataset.from_dict({"prompt": [text[: len(text) // 2] for text in TEXTS]})
    with tempfile.TemporaryDirectory() as folder:
        trainer = DistillationTrainer(
            model=student, teacher_model=teacher, processing_class=tokens, train_dataset=prompts, eval_dataset=prompts,
            args=DistillationConfig(
                output_dir=folder, max_steps=STEPS, per_device_train_batch_size=4, per_device_eval_batch_size=4,
                max_completion_length=8, learning_rate=1e-2, beta=0.0, eval_strategy="steps", eval_steps=2,
                save_strategy="no", report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False,
                disable_tqdm=True))
        # The trainer lets the student write its own text, another one at each evaluation. Measured on fixed texts, the
        # numbers of all evaluations can be compared. Without data=, they are of what the student writes.
        callback = DeviationCallback(teacher, trainer, data=[dict(tokens(TEXTS, padding=True, return_tensors="pt"))])
        trainer.add_callback(callback)
        trainer.train()
    return trainer, callback


if __name__ == "__main__":
    trainer, _ = main()
    print("step     KL  slope low  slope high  underfit  entropy gap  agreement")
    for entry in trainer.state.log_history:
        if "eval_deviation_kl" in entry:
            said = [entry.get(f"eval_deviation_{name}", float("nan"))
                    for name in ("kl", "slope_low", "slope_high", "underfit", "entropy_gap", "agreement")]
            print("{:4d} {:6.3f} {:10.2f} {:11.2f} {:9.2f} {:12.3f} {:10.2f}".format(entry["step"], *said))
