import sys
import threading

import numpy as np
import pytest

import accel
import reference

PACKAGES = pytest.mark.parametrize("package", [reference, accel], ids=lambda package: package.__name__)


def threads():
    """The numbers of threads of the BLAS libraries in this process."""
    from threadpoolctl import threadpool_info
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture
def two_threads():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    with threadpoolctl.threadpool_limits(limits=2, user_api="blas"):
        yield


@PACKAGES
def test_a_block_computes_on_one_thread_and_gives_the_others_back(package, two_threads):
    with package.runtime.blas.single_thread():
        assert threads() == {1}
        with package.runtime.blas.single_thread():
            assert threads() == {1}
        assert threads() == {1}
    assert threads() == {2}
    with pytest.raises(ZeroDivisionError):
        with package.runtime.blas.single_thread():
            1 / 0  # noqa: B018
    assert threads() == {2}


@PACKAGES
def test_blocks_that_overlap_give_the_number_back_that_there_was_before_the_first(package, two_threads):
    """The first block ends while the second, which found one thread where two had been, is still inside."""
    ends, inside, seen = threading.Event(), threading.Event(), []

    def second():
        with package.runtime.blas.single_thread():
            seen.append(threads())
            inside.set()
            ends.wait(10)
    other = threading.Thread(target=second)
    with package.runtime.blas.single_thread():
        other.start()
        assert inside.wait(10)
    ends.set()
    other.join()
    assert seen == [{1}] and threads() == {2}
    with package.runtime.blas.single_thread():
        assert threads() == {1}


@PACKAGES
def test_without_threadpoolctl_a_block_changes_nothing(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with package.runtime.blas.single_thread():
        assert np.ones((2, 2)).sum() == 4
