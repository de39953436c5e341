"""Cases for the masked autoregressive flow, at several shapes."""
from tests.agreement.cases.density import _flow
from tests.agreement.cases.density._flow import CONTEXT, DIM
from tests.agreement.registry import case

SETTINGS = {"hidden": (7, 5), "n_transforms": 3}
TERMS = _flow.chain(3, SETTINGS["hidden"])

_flow.register("maf", TERMS, **SETTINGS)

for context_dim in (0, CONTEXT):
    @case(f"density.maf.log_prob_and_grad#{context_dim}", terms=10 * TERMS, kernels=True)
    def _(on, paint, n, context_dim=context_dim):
        x, context = _flow.inputs(on, paint, n, DIM, context_dim)
        params = _flow.parameters(on, paint, "maf", context_dim=context_dim, **SETTINGS)
        return on.package.density.maf.log_prob_and_grad(params, x, context)


for dim, context_dim, hidden in ((1, 0, (5,)), (1, 2, (6, 4)), (2, 0, (7, 5)), (12, 3, (9, 14, 6))):
    shape = f"{dim} dimensions, {context_dim} features, {len(hidden)} layers"

    @case(f"density.maf.loss_and_grad#{shape}", sizes=(37,), kernels=True,
          terms=lambda n, dim=dim, hidden=hidden: n + 50 * (sum(hidden) + 2 * dim))
    def _(on, paint, n, dim=dim, context_dim=context_dim, hidden=hidden):
        """The density, its inverse and its gradient, two transforms."""
        maf = on.package.density.maf
        params = _flow.parameters(on, paint, "maf", dim=dim, context_dim=context_dim, hidden=hidden,
                                  n_transforms=2)
        x, context = _flow.inputs(on, paint, n, dim, context_dim)
        return (maf.loss_and_grad(params, x, context), maf.forward(params, x, context),
                maf.inverse(params, x, context))
