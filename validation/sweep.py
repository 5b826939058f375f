"""python -m validation.sweep NAME [NAME ...] --seeds 0 1 2 --cluster slurm: a job for each setting and seed.

Jobs do not depend on each other; one that needs a teacher which another is training waits for it. What is finished is
skipped, what was begun is resumed, so that the same command again does what is left. A job that Slurm ends for its time
limit is queued again. Jobs are submitit's, which hands each its arguments in a pickle under OUT/.sweep and takes the
exit code back in another: sweep into folders that none but you can write to.
"""

import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import FlagCreatePairsOff, Positional, arg

from validation import run
from validation.errors import UsageError
from validation.interrupts import listening
from validation.plans import make_plans
from validation.progress import Progress

SECONDS_BETWEEN_LOOKS = 0.2


@dataclass(frozen=True)
class SweepOptions:
    """Run settings x seeds as jobs of their own. All other flags are those of python -m validation.run."""

    names: Annotated[Positional[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Settings to run, one or more."""
    seeds: tuple[int, ...] = (0,)
    """One job for each seed of each setting."""
    cluster: Literal["slurm", "local", "debug"] = "local"
    """Slurm; processes on this machine; or one after another in this very process."""
    out: Path = Path("runs")
    """Run folders go where python -m validation.run puts them, what jobs print to OUT/.sweep."""
    at_once: int = 1
    """Jobs at the same time."""
    minutes: int = 24 * 60
    """Slurm: a job's time limit."""
    gpus: int = 1
    """Slurm: GPUs a job."""
    cpus: int = 8
    """Slurm: CPU cores a job."""
    partition: str | None = None
    """Slurm: where."""
    wait: Annotated[bool, FlagCreatePairsOff] = False
    """Slurm: stay until all jobs are over."""


class Job:
    """python -m validation.run with these arguments; the object and they are all that is handed to a job."""

    def __call__(self, arguments):
        return run.main(arguments)

    def checkpoint(self, arguments):
        """What is queued again at the time limit: the same, which resumes from its checkpoint."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, arguments)


def executor(options):
    """submitit's executor for the chosen cluster. Raises UsageError where it is not there."""
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise UsageError(f"--cluster: expected the package submitit, got none ({error}); install eigenkd[sweep]") \
            from error
    if options.cluster == "slurm" and shutil.which("srun") is None:
        raise UsageError("--cluster: expected Slurm's commands on this machine, got no srun; give the command on a "
                         "login node, or pass --cluster local")
    made = submitit.AutoExecutor(folder=options.out / ".sweep" / "%j", cluster=options.cluster)
    made.update_parameters(name="eigenkd", timeout_min=options.minutes)
    if options.cluster == "slurm":
        made.update_parameters(gpus_per_node=options.gpus, cpus_per_task=options.cpus,
                               slurm_array_parallelism=options.at_once,
                               **({"slurm_partition": options.partition} if options.partition else {}))
    return made


def planned(options, forwarded):
    """(plan, arguments of validation.run) for each setting and seed, in the order of the seeds."""
    if options.at_once < 1:
        raise UsageError(f"--at-once: expected at least 1, got {options.at_once}; leave it out for 1")
    if not options.names:
        raise UsageError("NAME: expected one or more settings, got none; python -m validation.run --list shows them")
    if asked := [flag for flag in ("--list", "--dry-run") if flag in forwarded]:
        raise UsageError(f"{asked[0]}: expected of python -m validation.run, got it of a sweep; give it there")
    pairs = []
    for seed in dict.fromkeys(options.seeds):
        for name in dict.fromkeys(options.names):
            arguments = [name, "--seeds", str(seed), "--out", str(options.out), *forwarded]
            parsed, settings = run.parse(arguments)
            pairs += [(plan, arguments) for plan in make_plans(parsed, settings)]
    if missing := [plan.source.missing for plan, _ in pairs if plan.source.missing and plan.state != "show"]:
        raise UsageError(missing[0])
    return pairs


def submit(pairs, options, progress, jobs):
    """Submits a job for each pair, at most `at_once` of them at work, and adds (plan, job) of each to `jobs`."""
    made = executor(options)
    if options.cluster == "slurm":
        with made.batch():
            jobs += [(plan, made.submit(Job(), arguments)) for plan, arguments in pairs]
        return
    for plan, arguments in pairs:
        while sum(not job.done() for _, job in jobs) >= options.at_once:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        jobs.append((plan, made.submit(Job(), arguments)))
        progress.note(f"{_name(plan)}: job {jobs[-1][1].job_id}")
        if options.cluster == "debug":
            jobs[-1][1].wait()


def main(arguments=None):
    """Returns the exit code: 0, 1 where a run did not come to its end, 2 for what the user can fix, 130 and 143."""
    progress, jobs = Progress(), []
    try:
        with listening():
            return _carry_out(sys.argv[1:] if arguments is None else arguments, progress, jobs)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        for _, job in jobs:
            job.cancel(check=False)
        print("\ninterrupted: finished runs are kept, and the same command runs the others", file=sys.stderr)
        return getattr(stop, "code", 130)


def _carry_out(arguments, progress, jobs):
    """Submits what is not finished, into `jobs` too; the exit code once they are over, or submitted to Slurm."""
    options, forwarded = tyro.cli(SweepOptions, prog="python -m validation.sweep", args=arguments,
                                  return_unknown_args=True)
    pairs = planned(options, forwarded)
    for plan, _ in pairs:
        if plan.state == "show":
            progress.note(f"{_name(plan)}: already finished in {plan.folder.path}, skipped")
    submit([(plan, given) for plan, given in pairs if plan.state != "show"], options, progress, jobs)
    if options.cluster == "slurm" and not options.wait:
        progress.note(f"{len(jobs)} jobs submitted; the same command tells what is finished")
        return 0
    while not all(job.done() for _, job in jobs):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    failed = [(plan, job) for plan, job in jobs if not plan.folder.is_finished()]
    for plan, job in failed:
        progress.note(f"{_name(plan)}: NOT FINISHED, see {job.paths.stderr}{_last_words(job.paths.stderr)}")
    progress.note(f"{len(jobs) - len(failed)} of {len(jobs)} jobs finished")
    return 1 if failed else 0


def _last_words(path):
    """The last line of a job's standard error."""
    lines = path.read_text(errors="replace").split("\n") if path.exists() else []
    return next((f": {line}" for line in reversed(lines) if line.strip()), "")


def _name(plan):
    return f"{plan.setting.name} seed {plan.seed}"


if __name__ == "__main__":
    from validation import sweep  # so that a job knows `Job` by this module's name, not as __main__'s

    sys.exit(sweep.main())
