"""How every test runs: what needs a GPU, what launches kernels, one fixed seed, one page alone, and the count
of cases on a device."""
import os

import pytest

from tests.agreement.backends import Backend, uses_cuda
from tests.support import pages
from tests.strict_cupy import COMPILER, capture

os.environ.setdefault("MPLBACKEND", "Agg")
if COMPILER is None and not uses_cuda():
    os.environ.setdefault("DIPTYCH_KERNELS", "off")            # the stand-in runs kernels through g++

try:
    import hypothesis
    hypothesis.settings.register_profile("diptych", derandomize=True, deadline=None, database=None)
    hypothesis.settings.load_profile("diptych")
except ImportError:                                            # not needed for the agreement tests on a GPU
    pass


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, default=0, help="seed of the Monte Carlo tests, to sweep")
    parser.addoption("--page", metavar="ROOM.PAGE",
                     help="run the tests of one page alone, for example density.maf")


@pytest.fixture
def seed(request):
    """The seed of a Monte Carlo test, 0 unless --seed says otherwise."""
    return request.config.getoption("--seed")


@pytest.fixture(autouse=True)
def launches_are_marked(request):
    """A test that launches a CUDA kernel is marked kernels: `make test` must not wait for compilations."""
    before = capture.device.counts["kernel"]
    yield
    if capture.device.counts["kernel"] > before and not request.node.get_closest_marker("kernels"):
        pytest.fail("the test launches a kernel and is not marked kernels", pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Mark the tests of a backend with kernels, and of one on CUDA; keep the tests of --page; skip what needs
    a GPU unless DIPTYCH_TEST_CUDA=1 asks for it."""
    if page := config.getoption("--page"):
        chosen = pages.chosen(page, items)
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = [item for item in items if item in chosen]
    for item in items:
        if any(backend.kernels for backend in _backends(item)):
            item.add_marker(pytest.mark.kernels)
        if _on_cuda(item):
            item.add_marker(pytest.mark.gpu)
        elif item.get_closest_marker("gpu") and not uses_cuda():
            item.add_marker(pytest.mark.skip(reason="needs a GPU: DIPTYCH_TEST_CUDA=1"))


def pytest_configure(config):
    if uses_cuda():
        config.pluginmanager.register(DeviceCount(), "device-count")


class DeviceCount:
    """With DIPTYCH_TEST_CUDA=1 a run in which no case passed on a device is a failed run: a skip is not a
    pass."""

    def __init__(self):
        self.passed = 0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        self.passed += report.when == "call" and report.passed and _on_cuda(item)
        return report

    def pytest_sessionfinish(self, session):
        if not self.passed and not session.config.option.collectonly:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        mark = "✓" if self.passed else "✗"
        terminalreporter.write_line(f"{mark} {self.passed} agreement cases passed on the device")


def _backends(item):
    """The backends among the parameters of a test."""
    callspec = getattr(item, "callspec", None)
    return [value for value in callspec.params.values() if isinstance(value, Backend)] if callspec else []


def _on_cuda(item):
    """Whether the test computes on CUDA."""
    return any(backend.name.startswith("cuda") for backend in _backends(item))
