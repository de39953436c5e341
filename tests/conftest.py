"""How every test runs: what needs a GPU, one fixed seed, and the count of cases that really ran on a device."""
import os

import pytest

from tests.agreement.backends import uses_cuda
from tests.strict_cupy import COMPILER

os.environ.setdefault("MPLBACKEND", "Agg")
if COMPILER is None and not uses_cuda():
    os.environ.setdefault("DIPTYCH_KERNELS", "off")            # kernels run on the stand-in through g++

try:
    import hypothesis
    hypothesis.settings.register_profile("diptych", derandomize=True, deadline=None, database=None)
    hypothesis.settings.load_profile("diptych")
except ImportError:                                            # a GPU machine needs only what the agreement tests need
    pass


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, default=0, help="seed of the Monte Carlo tests, to sweep")


@pytest.fixture
def seed(request):
    """The seed of a Monte Carlo test, 0 unless --seed says otherwise."""
    return request.config.getoption("--seed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Cases on CUDA are marked gpu; tests marked gpu are skipped unless DIPTYCH_TEST_CUDA=1 asks for them. What compiles kernels, which
    its file, its backend or its name says, is marked kernels: hundreds of compilations take their time on a fresh machine."""
    for item in items:
        if "kernels" in item.nodeid:
            item.add_marker(pytest.mark.kernels)
        if _on_cuda(item):
            item.add_marker(pytest.mark.gpu)
        elif item.get_closest_marker("gpu") and not uses_cuda():
            item.add_marker(pytest.mark.skip(reason="needs a GPU: DIPTYCH_TEST_CUDA=1"))


def pytest_configure(config):
    if uses_cuda():
        config.pluginmanager.register(DeviceCount(), "device-count")


class DeviceCount:
    """With DIPTYCH_TEST_CUDA=1 a run in which no case passed on a device is a failed run: a skip is not a pass."""

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


def _on_cuda(item):
    """Whether the test is an agreement case that computes on CUDA."""
    backend = getattr(item, "callspec", None) and item.callspec.params.get("backend")
    return getattr(backend, "name", "").startswith("cuda")
