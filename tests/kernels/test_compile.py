"""Every kernel compiles for GPUs of two generations, in both dtypes, and keeps its numbers in registers."""
import pytest

from tests.kernels.compile import ARCHITECTURES, NVCC, compiled, sources

pytestmark = pytest.mark.kernels


@pytest.mark.skipif(NVCC is None, reason="nvcc was not found; it needs no GPU")
@pytest.mark.parametrize("path", sources())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_compiles_without_spilling(path, dtype):
    for architecture in ARCHITECTURES:
        kernels = compiled(path, architecture, dtype)
        assert kernels
        for name, registers, _, spilled in kernels:
            what = f"{path}: {name} spills {spilled} bytes on sm_{architecture}"
            assert registers <= 255 and spilled == 0, what
