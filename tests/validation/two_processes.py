"""python -m tests.validation.two_processes FOLDER ARGUMENT...: trains with two processes and with one.

FOLDER/small: a small network in double precision; prints a JSON mapping of the largest differences in weights,
statistics, losses and logits between one and two processes. FOLDER/fp32, FOLDER/fp64 and FOLDER/one: the run folders of
`validation.run ARGUMENT...` with two processes in either precision, and with one process in double precision. Forks, so
PyTorch is loaded once.
"""

import json
import os
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import safetensors.torch
import torch
import torch.distributed as dist
from torch import nn

from validation import experiment, run  # noqa: F401 (experiment: loaded once, before the forks)
from validation.distributed import SINGLE, Group
from validation.inputs import Fixed
from validation.settings.loss import Loss
from validation.settings.setting import Training
from validation.train import predict, train

from .roles import role

RECIPE = Training(epochs=3, batch_size=8, learning_rate=0.2, optimiser="sgd", momentum=0.9, nesterov=True,
                  weight_decay=1e-3, warmup_epochs=1, schedule="cosine",
                  loss=Loss("0.6 distilled + 0.4 one_hot", temperature=2.0))  # 21 examples: batches of 8, 8 and 5


def trained(group):
    """Weights, losses and logits of a small convolutional student that the group trains."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3),
                            nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 3)).double()
    examples = Fixed(torch.randn(21, 2, 6, 6, dtype=torch.float64) * 2 + 1, torch.arange(21) % 3)
    answers, losses = torch.randn(21, 3, dtype=torch.float64), []
    train(network, examples, role(RECIPE, "student"), seed=0, teacher=lambda _, indices: answers[indices], group=group,
          forward=group.wrap(network),
          on_epoch=lambda *entry: losses.append(entry[-1]))
    return network.state_dict() | {"losses": torch.tensor(losses, dtype=torch.float64),
                                   "logits": predict(network, examples, group=group),
                                   "some": predict(network, examples, torch.tensor([20, 3, 7]), group=group)}


def small(folder, rank):
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    group = Group(torch.device("cpu"))
    assert group.on_first(lambda: {"from": "the first"}) == {"from": "the first"}
    assert [group.agree(rank == 1, step) for step in (9, 10)] == [False, True]
    safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in trained(group).items()},
                                folder / f"{rank}.safetensors")
    dist.destroy_process_group()


def run_of_two(*arguments, before=lambda rank: None):
    """validation.run in two processes; returns their statuses. before(rank) is called first in each of them."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    return twice(partial(started_by_torchrun, arguments, store.port, before))


def started_by_torchrun(arguments, port, before, rank):
    """validation.run as one of two processes that connect through the store at `port`."""
    before(rank)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    assert run.main(arguments) == 0


def twice(work):
    """Runs work(rank) in two processes and returns their two statuses, those of os.waitpid."""
    children = []
    for rank in range(2):
        children.append(os.fork())
        if children[-1] == 0:
            code = 1
            try:
                work(rank)
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
    return [os.waitpid(child, 0)[1] for child in children]


def main(folder, *arguments):
    torch.set_num_threads(1)
    (folder / "small").mkdir()
    assert twice(partial(small, folder / "small")) == [0, 0]
    two = [safetensors.torch.load_file(folder / "small" / f"{rank}.safetensors") for rank in range(2)]
    with redirect_stdout(sys.stderr):
        for precision in ("fp32", "fp64"):
            assert run_of_two(*arguments, "--precision", precision, "--out", str(folder / precision)) == [0, 0]
        assert run.main([*arguments, "--precision", "fp64", "--out", str(folder / "one")]) == 0
    one = trained(SINGLE)
    print(json.dumps({name: max(_difference(one[name], each[name]) for each in two) for name in one}))


def _difference(one, other):
    return (one.double() - other.double()).abs().max().item()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
