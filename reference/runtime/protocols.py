"""What pages expect of each other: types of arguments, and the methods of a prior, a density, a simulator and
so on.

A protocol is satisfied by any object, or module, that has these names; nothing has to inherit from it. A
density model is a module: `density.maf` satisfies `Density` and, since it has a loss and its gradient,
`Model`.

Example
-------
>>> from reference.density import maf
>>> from reference.runtime.protocols import Density
>>> all(hasattr(maf, name) for name in vars(Density) if not name.startswith("_"))
True
"""
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

__all__ = ["Array", "Params", "Rng", "Prior", "Density", "Simulator", "Model", "Target", "Posterior", "Step"]

Array: TypeAlias = Any
"""An array of NumPy or, in accel, of CuPy; docstrings give its shape."""
Params: TypeAlias = dict[str, Any]
"""A tree of parameters, see `runtime.tree`."""
Rng: TypeAlias = Any
"""A generator with `random`, `standard_normal` and `integers`: NumPy's, or `runtime.philox`'s."""


class Prior(Protocol):
    """What is known of θ before the data, and the map through which θ becomes unconstrained."""
    dim: int
    unconstrained_dim: int

    def sample(self, rng: Rng, n: int) -> Array: ...

    def contains(self, theta: Array) -> Array: ...

    def log_prob(self, theta: Array) -> Array: ...

    def to_unconstrained(self, theta: Array) -> tuple[Array, Array]: ...

    def to_constrained(self, u: Array) -> tuple[Array, Array]: ...

    def unconstrained_log_prob(self, u: Array) -> Array: ...

    def unconstrained_log_prob_and_grad(self, u: Array) -> tuple[Array, Array]: ...

    def to_constrained_vjp(self, u: Array, dtheta: Array) -> Array: ...

    def from_uniform(self, v: Array) -> Array: ...

    def to_uniform(self, theta: Array) -> Array: ...


class Model(Protocol):
    """What `training.minibatch.train` takes: a loss and its gradient, of parameters, a batch and, where it
    has some, noise.

    A loss with noise comes with `draw_noise(rng, n)`, which gives an array or several for n samples.
    """

    def loss(self, params: Params, *batch: Array) -> Array: ...

    def loss_and_grad(self, params: Params, *batch: Array) -> tuple[Array, Params]: ...


class Density(Protocol):
    """A density model p(x|c): a module whose functions take the parameters first."""

    def init_params(self, rng: Rng, *, dim: int, context_dim: int = 0) -> Params: ...

    def log_prob(self, params: Params, x: Array, context: Array | None = None) -> Array: ...

    def sample(self, params: Params, rng: Rng, n: int, context: Array | None = None) -> Array: ...

    def loss(self, params: Params, x: Array, context: Array | None = None) -> Array: ...

    def loss_and_grad(self, params: Params, x: Array,
                      context: Array | None = None) -> tuple[Array, Params]: ...


class Simulator(Protocol):
    """A simulator: θ (n, P) → x (n, D); a failed simulation is a row of NaN."""

    def __call__(self, rng: Rng, theta: Array) -> Array: ...


class Target(Protocol):
    """A log-density up to a constant, and its gradient, that a Markov chain samples: u (N, P) → (N,), and
    (N, P).
    """

    def log_prob(self, u: Array) -> Array: ...

    def log_prob_and_grad(self, u: Array) -> tuple[Array, Array]: ...


class Posterior(Protocol):
    """p(θ|x): draws (n, P) for one observation, (M, n, P) for M of them, and densities in nats."""
    prior: Prior

    def sample(self, rng: Rng, n: int, x: Array) -> Array: ...

    def log_prob(self, theta: Array, x: Array) -> Array: ...


class Step(Protocol):
    """One training step of a model as kernels take it, see `accel.kernels.training`."""
    n_blocks: Callable[..., int]
    gradient: Callable[..., None]
    loss: Callable[..., None]
