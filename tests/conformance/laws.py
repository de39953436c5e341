"""The laws, as functions of a recorded call that return what breaks them; an empty list is a pass.

    arguments   a call leaves its arguments as they are
    results     a result stays as it is, and the same call gives it again, whatever was called in between
    memory      no result shares memory with an argument or another result, if one of the two can be written
    trees       plain trees and trees of the library's own give the same bits
    threads     many threads give the bits that one gives
"""
import contextlib
import io
import sys
import threading
import time
import warnings

import numpy as np

from tests.conformance import data

__all__ = ["in_threads", "one_caller", "quiet", "threads"]

LONG = 0.02                                            # seconds of one call beyond which a check is made once
BRIEF = {"n_threads": (2,), "rounds": 2, "budget": 0.005}
THOROUGH = {"n_threads": (2, 4), "rounds": 10, "budget": 0.1}
SWITCH = 1e-5                                          # seconds after which another thread may take over


@contextlib.contextmanager
def quiet():
    """No warnings and no progress bars in the block."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def one_caller(call, thorough=False):
    """The laws that one thread can break: arguments, results, memory, trees.

    A long call is made with library-made trees, and once with plain ones; if thorough, alike with both.
    """
    broken, said, long = [], {}, False
    with quiet():
        for variant in reversed(call.variants()):
            start = time.perf_counter()
            found, said[variant] = _one_variant(call, variant, long)
            long = not thorough and time.perf_counter() - start > 4 * LONG
            broken += [f"{line} ({variant} trees)" if variant else line for line in found]
    if len(said) == 2 and said["plain"] != said["library"]:
        where = data.difference(said["plain"], said["library"])
        broken.append(f"trees: plain and library-made ones differ in {where}")
    return broken


def _one_variant(call, variant, once):
    """What is broken with one kind of tree, and the values of the result."""
    broken, arguments = [], call.fresh(variant)
    before = data.snapshot(arguments)

    def check_arguments(when):
        after = data.snapshot(arguments)
        if after != before:
            broken.append(f"arguments: {when} changed {data.difference(before, after)}")
            before.update(after)

    def check_memory(left, right, what):
        pairs = data.shared(left, right)
        if pairs:
            mine, theirs = (path or "all" for path in pairs[0])
            more = f", and {len(pairs) - 1} more" if pairs[1:] else ""
            broken.append(f"memory: {mine} of the result shares memory with {theirs} of {what}{more}")

    first = call.outcome(arguments)
    kept = data.values(first)
    if isinstance(first, BaseException):
        return [f"results: the call fails when it is made again, {type(first).__name__}: {first}"], kept
    check_arguments("the call")
    check_memory(first, arguments, "the arguments")
    if once:
        return broken, kept

    def check_first(when):
        now = data.values(first)
        if now != kept:
            broken.append(f"results: {when} changed {data.difference(kept, now)} of an earlier result")

    for keep, what in ((True, "a call with other data"), (False, "a call with other arguments")):
        second = call.outcome(call.other(arguments, variant, keep))
        check_first(what)
        check_memory(first, second, "a later result")
        check_arguments(what)
    third = call.outcome(call.again(arguments))
    check_first("the same call again")
    check_memory(first, third, "the same call's later result")
    if data.values(third) != kept:
        broken.append(f"results: the same call again differs in {data.difference(kept, data.values(third))}")
    return list(dict.fromkeys(broken)), kept


def threads(call, *, thorough=False):
    """The law that takes several threads, with trees of each kind; if brief, on a device with one."""
    broken = []
    variants = call.variants() if thorough or call.backend.xp is np else call.variants()[-1:]
    with quiet():
        for variant in reversed(variants):
            arguments = call.fresh(variant)
            other = call.other(arguments)
            pristine = call.other(arguments)           # whose generators nobody advances
            jobs = [lambda: call.outcome(call.again(arguments)),
                    lambda: call.outcome(call.again(other, pristine))]
            found = in_threads(jobs, **THOROUGH if thorough else BRIEF)
            where = f" ({variant} trees)" if variant else ""
            broken += [f"threads: {line}{where}" for line in found]
    return broken


def in_threads(jobs, *, n_threads=(2, 4), rounds=3, budget=1.0):
    """What breaks when threads run the jobs, all the same one or each another one, against one after another.

    No new round starts when `budget` seconds are over, and long jobs are run once, by two threads.
    """
    wanted, start = [], time.perf_counter()
    for job in jobs:
        wanted.append(data.digest(job()))
    now = time.perf_counter()
    long = (now - start) / len(jobs) > max(LONG, budget / 10)
    plans = [plan(n, len(jobs), step) for n in n_threads for step in (1, 0)]
    if long:
        plans = [[[0], [1 % len(jobs)]]]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    try:
        for _ in range(rounds):
            for turns in plans:
                wrong = _race(jobs, wanted, turns)
                if wrong:
                    return [f"{wrong} of {sum(map(len, turns))} calls differ with {len(turns)} threads"]
            if time.perf_counter() - now > budget:
                break
    finally:
        sys.setswitchinterval(interval)
    return []


def plan(n_threads, n_jobs, step):
    """Which jobs each thread runs, two in turn: with step 1 each another one, with step 0 all the first."""
    return [[(worker + turn) * step % n_jobs for turn in range(2)] for worker in range(n_threads)]


def _race(jobs, wanted, turns):
    """How many calls go wrong when one thread each goes through its turns."""
    barrier, wrong = threading.Barrier(len(turns)), []

    def work(mine):
        barrier.wait()
        for turn in mine:
            try:
                got = data.digest(jobs[turn]())
            except Exception as error:                 # a job that tolerates errors returns them
                got = repr(error)
            if got != wanted[turn]:
                wrong.append(turn)
    workers = [threading.Thread(target=work, args=(mine,)) for mine in turns]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return len(wrong)
