"""Work arrays: nobody has the same one at the same time, and what is kept is bounded."""
import threading

import numpy as np
import pytest

from accel import memory


class Work:
    """An array of n numbers, and a view of it."""

    def __init__(self, xp, n):
        self.array = xp.empty(n)
        self.view = self.array[1:]


@pytest.fixture(autouse=True)
def empty():
    memory.clear()
    yield
    memory.clear()


def test_what_was_given_back_is_lent_again_and_what_is_lent_is_not():
    with memory.borrow(Work, np, 10) as first, memory.borrow(Work, np, 10) as second:
        assert first is not second and not np.shares_memory(first.array, second.array)
    with memory.borrow(Work, np, 10) as third, memory.borrow(Work, np, 11) as other:
        assert third in (first, second) and other.array.shape == (11,)


def test_an_error_gives_back():
    with pytest.raises(ZeroDivisionError), memory.borrow(Work, np, 10) as first:
        raise ZeroDivisionError
    with memory.borrow(Work, np, 10) as again:
        assert again is first


def test_threads_share_nothing():
    seen, together = [], threading.Barrier(4)

    def run():
        for _ in range(3):
            with memory.borrow(Work, np, 10) as work:
                seen.append(work)
                together.wait()
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(work) for work in seen}) == 4


def test_what_is_kept_is_bounded_and_the_oldest_goes_first(monkeypatch):
    monkeypatch.setattr(memory, "LIMIT", 25 * 8)
    kept = []
    for n in (8, 9, 7):                                               # 24 numbers: all fit
        with memory.borrow(Work, np, n) as work:
            kept.append(work)
    with memory.borrow(Work, np, 2):                                  # the one of 8 has to go
        pass
    for n, expected in ((9, kept[1]), (7, kept[2])):
        with memory.borrow(Work, np, n) as work:
            assert work is expected
    with memory.borrow(Work, np, 8) as work:
        assert work is not kept[0]


def test_what_is_larger_than_the_limit_is_freed_at_once(monkeypatch):
    monkeypatch.setattr(memory, "LIMIT", 8)
    with memory.borrow(Work, np, 5) as first:
        pass
    with memory.borrow(Work, np, 5) as second:
        assert second is not first
