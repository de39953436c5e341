"""A forked and a spawned process give the bits that this one gives, for every public function."""
import concurrent.futures
import json
import multiprocessing
import os
import pathlib
import pickle
import subprocess
import sys

import pytest

from tests.conformance import process, recorder
from tests.conformance.recorder import BACKENDS
from tests.conformance.test_laws import lengthy

ROOT = pathlib.Path(__file__).parents[2]


def chosen(backend, every):
    return [name for name in recorder.functions(BACKENDS[backend].package) if every or not lengthy(name)]


def check(calls, digests, wanted):
    assert calls, "no call"
    wrong = [f"{name} ({variant} trees)" if variant else name
             for (name, _, variant, _), got, want in zip(calls, digests, wanted, strict=True) if got != want]
    assert not wrong, f"{len(wrong)} of {len(calls)} calls differ: {', '.join(wrong)}"


def spawned(calls, folder):
    """The digests of the calls from a fresh interpreter."""
    inbox, outbox = folder / "calls", folder / "digests"
    inbox.write_bytes(pickle.dumps(calls))
    subprocess.run([sys.executable, "-m", "tests.conformance.process", inbox, outbox], cwd=ROOT, check=True,
                   env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
    return json.loads(outbox.read_text())


def forked(calls):
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return pool.submit(process.replay, calls).result()


def hold(backend, every, folder):
    calls = process.entries(chosen(backend, every), backend, every)
    wanted = process.replay(calls)
    if hasattr(os, "fork"):
        check(calls, forked(calls), wanted)
    check(calls, spawned(calls, folder), wanted)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("backend", [name for name in BACKENDS if not name.startswith("strict")])
def test_another_process_gives_the_same(backend, tmp_path):
    hold(backend, False, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("backend", list(BACKENDS))
def test_another_process_gives_the_same_of_long_calls(backend, tmp_path):
    hold(backend, True, tmp_path)
