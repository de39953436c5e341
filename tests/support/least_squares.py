"""The smallest model with a fused step: least squares, with which the engine that drives such steps is tested
alone.

    loss = mean ½ (w·x − y)²;   with noise drawn for each sample, w·(x + noise) takes the place of w·x
"""
from types import SimpleNamespace


from accel.kernels import cuda
from accel.device import array_module

__all__ = ["Step", "model"]

ROWS = 8                                                              # of a block
SOURCE = r'''
// Rows of a batch in blocks of ROWS, a thread for each parameter; blockIdx.y is the model.
__device__ real residual(const real* w, const real* x, const real* y, const real* noise, int row,
    long long drawn, int n) {
  real sum = -y[row];
  for (int k = 0; k < n; k++)
    sum += w[k] * (x[(long long)row * n + k] + (NOISY ? noise[drawn * n + k] : real(0)));
  return sum;
}
extern "C" __global__ void gradient(const real* flat, const int* rows, const int* cursor, const real* noise,
    const real* x, const real* y, real* partial, real* losses, int n, int n_steps, int size,
    int with_gradient) {
  long long batch = ((long long)blockIdx.y * n_steps + cursor[0]) * size;
  int first = blockIdx.x * ROWS, last = min(first + ROWS, size), k = threadIdx.x;
  real d = 0, loss = 0;
  for (int i = first; i < last; i++) {
    int row = rows[batch + i];
    real r = residual(flat + blockIdx.y * n, x, y, noise, row, batch + i, n);
    d += r * (x[(long long)row * n + k] + (NOISY ? noise[(batch + i) * n + k] : real(0))) / size;
    loss += real(0.5) * r * r / size;
  }
  long long block = (long long)blockIdx.y * gridDim.x + blockIdx.x;
  if (with_gradient) partial[block * n + k] = d;
  if (k == 0) losses[block] = loss;
}
'''


class Step:
    """Its fused step, as `accel.kernels.training.launch` says."""

    def __init__(self, params, x, y, *, noisy):
        import cupy
        self.x, self.y, dtype = x, y, x.dtype
        options = ("--std=c++17", f"-DREAL={cuda.NAMES[dtype.name]}", f"-DROWS={ROWS}",
                   f"-DNOISY={int(noisy)}")
        module = cupy.RawModule(code=cuda.source("kernels/common/real.cuh") + SOURCE, options=options)
        self.kernels, self.noisy = cuda.Kernels(module, dtype), noisy

    def n_blocks(self, n, n_models=1):
        return -(-n // ROWS)

    def gradient(self, flat, rows, cursor, noise, partial, losses):
        self._launch(flat, rows, cursor, noise, partial, losses, 1)

    def loss(self, flat, rows, cursor, noise, losses):
        self._launch(flat, rows, cursor, noise, flat, losses, 0)

    def _launch(self, flat, rows, cursor, noise, partial, losses, with_gradient):
        (n_models, n), (_, n_steps, size) = flat.shape, rows.shape
        self.kernels("gradient", (self.n_blocks(size), n_models), n, flat, rows, cursor,
                     noise[0] if self.noisy else flat, self.x, self.y, partial, losses, n, n_steps, size,
                     with_gradient)


def model(*, noisy=False):
    """The model, for either package and any device."""
    def residual(params, x, y, noise):
        xp = array_module(x)
        x = x + xp.asarray(noise[0], dtype=x.dtype) if noise else x
        return x, x @ params["w"] - y

    def loss(params, x, y, *noise):
        return 0.5 * (residual(params, x, y, noise)[1] ** 2).mean()

    def loss_and_grad(params, x, y, *noise):
        moved, r = residual(params, x, y, noise)
        return 0.5 * (r**2).mean(), {"w": moved.T @ r / len(x)}

    def fused(params, data, batch_size):
        return Step(params, *data, noisy=noisy)
    draws = {"draw_noise": lambda rng, n: 0.1 * rng.standard_normal((n, 3))} if noisy else {}
    return SimpleNamespace(loss=loss, loss_and_grad=loss_and_grad, fused=fused, **draws)
