"""What all density models say of their parameters, for `help()`: their functions have one signature, and
one description of it.
"""

__all__ = ["documented"]

PARAMS = """
params : tree
    From `init_params`, or trained."""
X = """
x : (N, D) float
    Points."""
CONTEXT = """
context : (N, C) float, optional
    What the density is conditioned on, row by row; None for a density without a context."""
RAISES = """

Raises
------
ValueError
    If x is not (N, D), or the context is missing, not asked for, or not (N, C)."""
UNCHECKED = """

Raises
------
ValueError
    If the shapes of the arguments do not fit the parameters."""
SECTIONS = {
    "forward": PARAMS + X + CONTEXT + UNCHECKED,
    "inverse": PARAMS + """
z : (N, D) float
    Points of the base density.""" + CONTEXT + UNCHECKED,
    "log_prob": PARAMS + X + CONTEXT + RAISES,
    "log_prob_and_grad": PARAMS + X + CONTEXT + RAISES,
    "loss": PARAMS + X + CONTEXT + RAISES,
    "loss_and_grad": PARAMS + X + CONTEXT + RAISES,
    "sample": PARAMS + """
rng : Generator
    Draws the base density's normals, and what else a draw needs.
n : int
    Number of draws, zero or more.
context : (M, C) float, optional
    What the density is conditioned on; None for a density without a context.

Raises
------
ValueError
    If n is no count, or the context is missing, not asked for, or not (M, C).""",
}


def documented(function):
    """The function of a density model, with the description of its parameters added to its docstring."""
    if function.__doc__ is not None:
        sections = "\n\nParameters\n----------" + SECTIONS[function.__name__]
        function.__doc__ += sections.replace("\n", "\n    ") + "\n    "
    return function
