"""python -m validation.function_space --widths 64 256 1024 --seeds 0 1 2: the closed form beside training itself.

A network's tangent kernel at its start says, by `eigenkd.kernel_flow`, what each direction of function space will have
learned after so many steps, of a teacher trained on labels and of its student. Trained on the same squared loss by full
batches, the network does so as far as it stays near its start: the wider, the longer. Measured gains stand beside
predicted ones, direction by direction, with one number for how far they drift apart.
"""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro

from eigenkd import filters, kernel_flow
from eigenkd.projection import gains
from validation.data import DATASETS
from validation.data.examples import draw
from validation.device import choose, described, threads
from validation.errors import UsageError
from validation.models.tangent_mlp import TangentMLP
from validation.provenance import provenance
from validation.record import Folder
from validation.report import columns
from validation.seeding import local_default
from validation.settings.setting import Data

NAME = "function_space"
ROLES = ("teacher", "student")
LARGE = 1e4  # an output that no labels ask for


@dataclass(frozen=True)
class Study:
    """One network, one seed: what decides its numbers."""

    width: int = 1024
    seed: int = 0
    examples: int = 128
    data: str = "mnist"
    steps: int = 400
    """Of the teacher, and as many of the student."""
    learning_rate: float = 0.5
    """Over the tangent kernel's largest eigenvalue at the start."""
    optimiser: Literal["sgd", "momentum", "adam"] = "sgd"
    """Plain gradient descent, the same with a momentum of 0.9, or Adam, whose learning rate is a thousandth of it."""

    @property
    def name(self):
        return (f"{NAME}/{self.data}{self.examples}-{self.optimiser}-{self.learning_rate:g}-{self.steps}-width"
                f"{self.width}/seed{self.seed}")


@dataclass(frozen=True)
class Options:
    """Measure gains in function space and predict them, for each width and seed."""

    widths: tuple[int, ...] = (64, 256, 1024)
    seeds: tuple[int, ...] = (0, 1, 2)
    learning_rate: float = 0.5
    """Over the tangent kernel's largest eigenvalue; gradient descent diverges above 2."""
    steps: int = 400
    optimiser: Literal["sgd", "momentum", "adam"] = "sgd"
    examples: int = 128
    data: str = "mnist"
    device: str = "auto"
    threads: int = 1
    data_dir: Path = Path("data")
    out: Path = Path("runs")


def tangent_kernel(network, inputs, memory=2**31):
    """(n C, n C): <d f_c(x_i), d f_c'(x_j)> over all parameters, of outputs f (n, C) flattened row by row.

    In double precision, so that it is positive semi-definite as far as that tells. network: any module whose outputs
    of one example do not depend on the others. memory: bytes of derivatives that are held at a time, twice; what is
    more is made again.
    """
    parameters = {name: value.detach().double() for name, value in network.named_parameters()}

    def outputs(parameters, x):
        return torch.func.functional_call(network, parameters, (x[None],))[0]

    rows = torch.func.vmap(torch.func.jacrev(outputs), in_dims=(None, 0))
    count = sum(value.numel() for value in parameters.values())
    with torch.no_grad():
        classes = network(inputs[:1]).shape[1]
    parts = inputs.double().split(max(1, memory // (8 * count * classes)))

    def derivatives(part):
        return torch.cat([d.reshape(len(part) * classes, -1) for d in rows(parameters, part).values()], dim=1)

    blocks = [[None] * len(parts) for _ in parts]
    for i, part in enumerate(parts):
        mine = derivatives(part)
        for j in range(i + 1):
            blocks[i][j] = mine @ (mine if i == j else derivatives(parts[j])).T
            blocks[j][i] = blocks[i][j].T
    return torch.cat([torch.cat(row, dim=1) for row in blocks])


def trained(network, inputs, targets, study, largest):
    """The outputs of the network, trained in place by full batches on (1/2) ||f - targets||^2."""
    rate = study.learning_rate / largest
    optimiser = {"sgd": lambda p: torch.optim.SGD(p, lr=rate), "momentum": lambda p: torch.optim.SGD(
        p, lr=rate, momentum=0.9), "adam": lambda p: torch.optim.Adam(p, lr=1e-3 * study.learning_rate)}[
            study.optimiser](network.parameters())
    for _ in range(study.steps):
        optimiser.zero_grad(set_to_none=True)
        (0.5 * (network(inputs) - targets).square().sum()).backward()
        optimiser.step()
    with torch.no_grad():
        return network(inputs)


def predicted(study, flow, measured, size):
    """The gains (k,) of teacher and student by the closed form: of the same steps, or, for Adam, which has no closed
    form, of gradient flow for the times that come nearest to the measured ones."""
    lam = flow.spectrum.eigenvalues
    largest = float(lam[0])
    if study.optimiser != "adam":
        one = (filters.descent(study.learning_rate / largest, study.steps) if study.optimiser == "sgd" else
               filters.heavy_ball(study.learning_rate / largest, study.steps, 0.9))
        return one.gain(lam), (one @ one).gain(lam)
    from scipy.optimize import minimize_scalar

    def nearest(of, gain):
        found = minimize_scalar(lambda log_time: drift(of(np.exp(log_time)).gain(lam), gain, size),
                                bounds=(np.log(1e-3 / largest), np.log(1e8 / largest)), method="bounded")
        return of(np.exp(found.x))

    teacher = nearest(filters.flow, measured[0])
    return teacher.gain(lam), nearest(lambda time: filters.flow(time) @ teacher, measured[1]).gain(lam)


def drift(predicted, measured, size):
    """sqrt(sum_k size_k^2 (measured_k - predicted_k)^2 / sum_k size_k^2): 0 where training follows the closed form, and
    of the order of 1 where it knows nothing of it. size (k,): of the targets, direction by direction."""
    there = size > 0
    return float(np.sqrt(np.sum((size * (measured - predicted))[there] ** 2) / np.sum(size[there] ** 2)))


def run(study, folder, *, device, data_dir, note=lambda text: None):
    """Makes the run folder of one `Study` and returns its result; a finished one is returned as it is."""
    if folder.is_finished():
        if folder.configuration() != asdict(study):
            raise UsageError(f"--out: expected a free folder or the same study, got {folder.path} of another; name "
                             "another --out")
        return folder.finished()
    if study.optimiser != "adam" and study.learning_rate >= 2:
        raise UsageError(f"--learning-rate: expected less than 2 over the largest eigenvalue, beyond which gradient "
                         f"descent diverges, got {study.learning_rate}; pass 0.5 for example")
    kind = DATASETS[study.data]
    examples = draw(kind.load(data_dir, None), Data(study.data, train_examples=study.examples), study.seed)
    with local_default(study.seed, "initialisation"):
        embed, network = TangentMLP(hidden=study.width).build(kind.SHAPE, kind.CLASSES)
    inputs = embed(torch.from_numpy(examples.train_images).to(torch.float32) / 255).to(device)
    labels = torch.nn.functional.one_hot(torch.from_numpy(examples.train_labels), kind.CLASSES).float().to(device)
    network.to(device)
    begin = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        start = network(inputs)
    note(f"{folder.name}: tangent kernel of {labels.numel()} outputs ...")
    flow = kernel_flow(tangent_kernel(network, inputs).cpu().numpy(), _flat(labels), start=_flat(start))
    largest = float(flow.spectrum.eigenvalues[0])
    folder.begin(asdict(study))
    outputs, targets = {}, labels
    for role in ROLES:
        network.load_state_dict(begin)
        outputs[role] = targets = trained(network, inputs, targets, study, largest)
        if not bool((targets.abs() < LARGE).all()):
            raise UsageError(f"--learning-rate: expected training that converges, got a {role} that diverges; try a "
                             f"value smaller than {study.learning_rate}")
    measured, size = gains(np.stack([_flat(outputs[role]) for role in ROLES]), _flat(labels),
                           flow.spectrum.sample_basis, _flat(start))
    found = predicted(study, flow, measured, size)
    result = {**asdict(study), "smoke": False, **provenance(described(device), torch.get_num_threads()),
              "data_source": kind.locate(data_dir, None).note, "largest_eigenvalue": largest,
              "drift": {role: drift(p, m, size) for role, p, m in zip(ROLES, found, measured)}}
    folder.save("gains", eigenvalues=flow.spectrum.eigenvalues, size=size,
                **{f"measured_{role}": m for role, m in zip(ROLES, measured)},
                **{f"predicted_{role}": p for role, p in zip(ROLES, found)})
    folder.finish(result)
    return result


def _flat(outputs):
    return outputs.detach().cpu().double().numpy().ravel()


def main(arguments=None):
    """Returns the exit code: 0, 2 for what the user can mend, 130 after Ctrl-C."""
    options = tyro.cli(Options, prog="python -m validation.function_space", args=arguments)
    try:
        device = choose(options.device)
        if options.data not in DATASETS:
            raise UsageError(f"--data: expected one of {', '.join(DATASETS)}, got {options.data!r}; pass one of these")
        if min(*options.widths, options.steps, options.examples, len(options.widths), len(options.seeds)) < 1:
            raise UsageError("--widths, --seeds, --steps, --examples: expected one or more, from 1 on, got others; "
                             "leave them out for the defaults")
        results = []
        with threads(options.threads):
            for width in options.widths:
                for seed in options.seeds:
                    study = Study(width, seed, options.examples, options.data, options.steps, options.learning_rate,
                                  options.optimiser)
                    results.append(run(study, Folder(options.out, study.name), device=device, data_dir=options.data_dir,
                                       note=lambda text: print(text, file=sys.stderr)))
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted: the same command goes on with what is left", file=sys.stderr)
        return 130
    print(table(results))
    return 0


def table(results):
    """Drift over seeds, a line a width."""
    rows = [("width", *(f"drift of the {role}: mean (range)" for role in ROLES), "seeds")]
    for width in dict.fromkeys(result["width"] for result in results):
        mine = [result["drift"] for result in results if result["width"] == width]
        found = [[one[role] for one in mine] for role in ROLES]
        rows.append((str(width), *(f"{np.mean(v):.3f} ({min(v):.3f} to {max(v):.3f})" for v in found), str(len(mine))))
    return columns(rows)


if __name__ == "__main__":
    sys.exit(main())
