"""python -m tests.validation.two_processes FOLDER: one training by two processes and by one, in double precision.

Prints a JSON mapping: the largest difference of weights, statistics, losses and logits between the two ways.
"""

import json
import os
import sys
from pathlib import Path

import safetensors.torch
import torch
import torch.distributed as dist
from torch import nn

from validation.distributed import SINGLE, Group
from validation.inputs import Fixed
from validation.settings.setting import Distillation, Training
from validation.train import predict, train

RECIPE = Training(epochs=3, batch_size=8, learning_rate=0.2, optimiser="sgd", momentum=0.9, nesterov=True,
                  weight_decay=1e-3, warmup_epochs=1, schedule="cosine")  # 21 examples: batches of 8, 8 and 5


def trained(group):
    """Weights, losses and logits of a small convolutional student, trained by the group."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3),
                            nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 3)).double()
    examples = Fixed(torch.randn(21, 2, 6, 6, dtype=torch.float64) * 2 + 1, torch.arange(21) % 3)
    answers, losses = torch.randn(21, 3, dtype=torch.float64), []
    train(network, examples, RECIPE, seed=0, role="student", teacher=lambda _, indices: answers[indices],
          distillation=Distillation(temperature=2.0, weight=0.6), group=group, forward=group.wrap(network),
          on_epoch=lambda *entry: losses.append(entry[-1]))
    return network.state_dict() | {"losses": torch.tensor(losses, dtype=torch.float64),
                                   "logits": predict(network, examples, group=group),
                                   "some": predict(network, examples, torch.tensor([20, 3, 7]), group=group)}


def work(folder, rank):
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    group = Group(torch.device("cpu"))
    assert group.on_first(lambda: {"from": "the first"}) == {"from": "the first"}
    assert [group.agree(rank == 1, step) for step in (9, 10)] == [False, True]
    safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in trained(group).items()},
                                folder / f"{rank}.safetensors")
    dist.destroy_process_group()


def main(folder):
    torch.set_num_threads(1)
    children = []
    for rank in range(2):
        children.append(os.fork())
        if children[-1] == 0:
            code = 1
            try:
                work(folder, rank)
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    one, two = trained(SINGLE), [safetensors.torch.load_file(folder / f"{rank}.safetensors") for rank in range(2)]
    print(json.dumps({name: max(_difference(one[name], each[name]) for each in two) for name in one}))


def _difference(one, other):
    return (one.double() - other.double()).abs().max().item()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
