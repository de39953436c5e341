"""Every kernel compiles for the GPUs of two generations, in both dtypes, and keeps its numbers in
registers."""
import pytest

from tests.kernels.compile import ARCHITECTURES, NVCC, compiled, sources

pytestmark = pytest.mark.kernels


@pytest.mark.skipif(NVCC is None,
                    reason="nvcc compiles for a GPU that need not be there, but it must be installed")
@pytest.mark.parametrize("path", sources())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_compiles_without_spilling(path, dtype):
    for architecture in ARCHITECTURES:
        kernels = compiled(path, architecture, dtype)
        assert kernels
        for name, registers, _, spilled in kernels:
            assert registers <= 255 and spilled == 0, (
                f"{path}: {name} spills {spilled} bytes on sm_{architecture}")
