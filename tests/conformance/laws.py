"""The laws, as functions of a recorded call that return what breaks them, one line each: an empty list is a pass.

    arguments   a call leaves its arguments as they are
    results     a result stays as it is, and the same call gives it again, whatever was called in between
    memory      no result shares memory with an argument or with another result, where one of the two can be written
    trees       plain trees and trees of the library's own give the same bits
    threads     many threads give the bits that one gives
"""
import contextlib
import io
import sys
import threading
import time
import warnings

from tests.conformance import data

__all__ = ["in_threads", "one_caller", "quiet", "threads"]

LONG = 0.05                                                    # seconds of one call beyond which a check is made once


@contextlib.contextmanager
def quiet():
    """No warnings and no progress bars in the block."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def one_caller(call):
    """The laws that one thread can break: arguments, results, memory, trees."""
    broken, said = [], {}
    with quiet():
        for variant in call.variants():
            where = f" ({variant} trees)" if variant else ""
            found, said[variant] = _one_variant(call, variant)
            broken += [f"{line}{where}" for line in found]
    if len(said) == 2 and said["plain"] != said["library"]:
        broken.append(f"trees: plain and library-made ones differ in {data.difference(said['plain'], said['library'])}")
    return broken


def _one_variant(call, variant):
    """What is broken with one kind of tree, and the values of the result."""
    broken, arguments = [], call.fresh(variant)
    before = data.snapshot(arguments)

    def check_arguments(when):
        after = data.snapshot(arguments)
        if after != before:
            broken.append(f"arguments: {when} changed {data.difference(before, after)}")
            before.update(after)

    def check_memory(left, right, what):
        if not call.shares:
            pairs = data.shared(left, right)
            if pairs:
                broken.append(f"memory: {pairs[0][0]} of the result shares memory with {pairs[0][1] or 'all'} of {what}"
                              + (f", and {len(pairs) - 1} more" if pairs[1:] else ""))

    first = call.run(arguments)
    kept = data.values(first)
    check_arguments("the call")
    check_memory(first, arguments, "the arguments")

    def check_first(when):
        now = data.values(first)
        if now != kept:
            broken.append(f"results: {when} changed {data.difference(kept, now)} of an earlier result")

    for keep, what in ((True, "a call with other data"), (False, "a call with other arguments")):
        second = call.outcome(call.other(arguments, keep_containers=keep))
        check_first(what)
        check_memory(first, second, "a later result")
        check_arguments(what)
    third = call.outcome(call.again(arguments))
    check_first("the same call again")
    check_memory(first, third, "the same call's later result")
    if data.values(third) != kept:
        broken.append(f"results: the same call again differs in {data.difference(kept, data.values(third))}")
    return list(dict.fromkeys(broken)), kept


def threads(call, *, rounds=2, budget=0.05):
    """The law that takes several threads, with trees of each kind; no new round starts when `budget` seconds are over."""
    broken = []
    with quiet():
        for variant in call.variants():
            arguments = call.fresh(variant)
            jobs = [lambda a=arguments: call.outcome(call.again(a)),
                    lambda a=call.other(arguments): call.outcome(again_other(call, a))]
            where = f" ({variant} trees)" if variant else ""
            broken += [f"threads: {line}{where}" for line in in_threads(jobs, rounds=rounds, budget=budget)]
    return broken


def again_other(call, other):
    """The perturbed arguments with fresh generators."""
    return {name: data.copied(call.arguments[name]) if data.is_generator(value) else value for name, value in other.items()}


def in_threads(jobs, *, n_threads=(2, 4), rounds=3, budget=1.0):
    """What breaks when threads run the jobs, all the same one or each another one, against the same jobs run one by one."""
    wanted, broken, start = [], [], time.perf_counter()
    for job in jobs:
        wanted.append(data.digest(job()))
    seconds = (time.perf_counter() - start) / len(jobs)
    plans = [[(worker * mixed + turn * mixed) % len(jobs) for turn in range(2)] if mixed else [0, 0]
             for mixed in (0, 1) for worker in range(max(n_threads))]
    same, mixed = plans[:max(n_threads)], plans[max(n_threads):]
    tries = [(n, plan) for n in n_threads for plan in (same, mixed)]
    if seconds > LONG:
        tries = [(2, [[0], [1 % len(jobs)]])]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(rounds):
            for n, plan in tries:
                wrong, of = _race(jobs, wanted, plan[:n])
                if wrong:
                    broken.append(f"{wrong} of {of} calls differ with {n} threads")
            if broken or time.perf_counter() - start > budget:
                break
    finally:
        sys.setswitchinterval(interval)
    return broken[:1]


def _race(jobs, wanted, plan):
    """(calls that went wrong, calls) when one thread each goes through the jobs of its part of the plan."""
    barrier, wrong = threading.Barrier(len(plan)), []

    def work(turns):
        barrier.wait()
        for turn in turns:
            try:
                got = data.digest(jobs[turn]())
            except Exception as error:                         # a job that tolerates errors returns them
                got = repr(error)
            if got != wanted[turn]:
                wrong.append(turn)
    workers = [threading.Thread(target=work, args=(turns,)) for turns in plan]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return len(wrong), sum(map(len, plan))
