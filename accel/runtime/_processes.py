"""Tasks in fresh interpreters, a few at a time, with one BLAS thread each.

A task is a call of a module's function with strings. It works with files: nothing else comes back from its
process. Ctrl-C is passed on, so that each task may save what it has reached.
"""
import os
import pathlib
import signal
import subprocess
import sys
import time
import warnings

__all__ = ["run", "interrupt_once"]

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def interrupt_once():
    """In a task's process: raise KeyboardInterrupt at the first Ctrl-C and ignore the second.

    The process gets it twice, from the terminal and from `run`.
    """
    def interrupt(*_):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt
    signal.signal(signal.SIGINT, interrupt)


def run(module, function, tasks, logs, n_processes, bar, *, what):
    """Run function(*task) of the module for all tasks, n_processes at a time; logs take what each prints.

    If a task fails, the others are ended, and a RuntimeError shows its log. After Ctrl-C a warning says how
    many tasks had not begun; the others end by themselves.
    """
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": paths}
    code = f"import sys; from {module} import {function}; {function}(*sys.argv[1:])"
    waiting, running = list(zip(tasks, logs)), []
    try:
        while waiting or running:
            while waiting and len(running) < n_processes:
                task, name = waiting.pop(0)
                with open(name, "w") as log:
                    process = subprocess.Popen([sys.executable, "-c", code, *task], env=environment,
                                               stdout=log, stderr=log)
                running.append((process, name))
            time.sleep(0.02)
            for process, log in [pair for pair in running if pair[0].poll() is not None]:
                running.remove((process, log))
                bar.update(1)
                if process.returncode:
                    said = pathlib.Path(log).read_text().strip()
                    raise RuntimeError(f"training a {what} failed in its process:\n{said}")
    except KeyboardInterrupt:
        for process, _ in running:
            process.send_signal(signal.SIGINT)
        for process, _ in running:
            process.wait()
        warnings.warn(f"the training was interrupted: {len(waiting)} of {len(tasks)} {what}s had not begun "
                      f"and are left out, {len(running)} stopped at their best so far", stacklevel=4)
    finally:
        for process, _ in running:
            process.kill()
            process.wait()
        bar.close()
