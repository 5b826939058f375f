"""python -m validation.sweep NAME [NAME ...] --seeds 0 1 2 --cluster slurm: one job per setting and seed.

Jobs are independent; a job whose teacher is being trained by another job waits for it. Finished runs are skipped and
unfinished runs are resumed, so repeating the command runs what is left. A job that reaches Slurm's time limit is queued
again. Jobs use submitit, which stores arguments and exit codes as pickles in OUT/.sweep: use an output folder that only
you can write to.
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
    """Run each setting and seed as a separate job. All other flags are those of python -m validation.run."""

    names: Annotated[Positional[tuple[str, ...]], arg(metavar="NAME")] = ()
    """One or more settings to run."""
    seeds: tuple[int, ...] = (0,)
    """One job for each seed of each setting."""
    cluster: Literal["slurm", "local", "debug"] = "local"
    """Slurm; separate processes on this machine; or one after another in this process."""
    out: Path = Path("runs")
    """Folder of the runs, as in python -m validation.run; the output of jobs is saved in OUT/.sweep."""
    at_once: int = 1
    """Number of jobs that run at the same time."""
    minutes: int = 24 * 60
    """Slurm: time limit of a job."""
    gpus: int = 1
    """Slurm: GPUs per job."""
    cpus: int = 8
    """Slurm: CPU cores per job."""
    partition: str | None = None
    """Slurm: partition."""
    wait: Annotated[bool, FlagCreatePairsOff] = False
    """Slurm: wait until all jobs have finished."""


class Job:
    """Calls python -m validation.run with the given arguments; a job receives only this object and the arguments."""

    def __call__(self, arguments):
        return run.main(arguments)

    def checkpoint(self, arguments):
        """Queues the same job again at the time limit; it resumes from its checkpoint."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, arguments)


def executor(options):
    """submitit's executor for the chosen cluster. Raises UsageError if it is not available."""
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise UsageError(f"--cluster: expected the package submitit, got none ({error}); install eigenkd[sweep]") \
            from error
    if options.cluster == "slurm" and shutil.which("srun") is None:
        raise UsageError("--cluster: expected Slurm's commands on this machine, got no srun; run the command on a "
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
        raise UsageError(f"--at-once: expected at least 1, got {options.at_once}; omit it for 1")
    if not options.names:
        raise UsageError("NAME: expected one or more settings, got none; python -m validation.run --list shows them")
    if asked := [flag for flag in ("--list", "--dry-run") if flag in forwarded]:
        raise UsageError(f"{asked[0]}: expected with python -m validation.run, got it with a sweep; use it there")
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
    """Submits one job per pair, at most `at_once` at a time, and appends (plan, job) to `jobs`."""
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
    """Returns the exit code: 0, 1 if a run did not finish, 2 for what the user can fix, 130 or 143 for a signal."""
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
    """Submits unfinished runs and appends them to `jobs`. Returns the exit code once they finish, or are submitted to
    Slurm."""
    options, forwarded = tyro.cli(SweepOptions, prog="python -m validation.sweep", args=arguments,
                                  return_unknown_args=True)
    pairs = planned(options, forwarded)
    for plan, _ in pairs:
        if plan.state == "show":
            progress.note(f"{_name(plan)}: already finished in {plan.folder.path}, skipped")
    submit([(plan, given) for plan, given in pairs if plan.state != "show"], options, progress, jobs)
    if options.cluster == "slurm" and not options.wait:
        progress.note(f"{len(jobs)} jobs submitted; the same command reports which are finished")
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
    from validation import sweep  # a job must find `Job` under this module's name, not in __main__

    sys.exit(sweep.main())
