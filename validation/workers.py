"""Several pieces of work at the same time, in processes that end when the one that started them does."""

import os
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context, parent_process
from threading import Thread, Timer


def carry_out(work, jobs, workers, on_done=lambda: None):
    """Calls work(*job) for each job, in `workers` processes, and on_done() after each. Raises the first error, once the
    jobs that are under way have ended; a KeyboardInterrupt stops them.

    One worker is this process. work: a function of a module, as its name is sent to the processes.
    """
    if workers <= 1:
        for job in jobs:
            work(*job)
            on_done()
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_with_the_parent) as pool:
        try:
            for done in as_completed([pool.submit(_stoppable, work, job) for job in jobs]):
                done.result()
                on_done()
        except BaseException as error:
            for worker in active_children() if isinstance(error, KeyboardInterrupt) else ():
                worker.terminate()
            pool.shutdown(cancel_futures=True)
            raise


def _stoppable(work, job):
    """work(*job) in a process of the pool, which ends after it is stopped: at once where nobody is left to tell, and
    soon where the pool is broken by then."""
    try:
        work(*job)
    except KeyboardInterrupt:
        if not parent_process().is_alive():
            os._exit(1)
        end = Timer(60, os._exit, [1])
        end.daemon = True
        end.start()
        raise


def _end_with_the_parent():
    """Stops this process when the one that started it is gone, however that ended."""
    def follow():
        parent_process().join()
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=follow, daemon=True).start()
