"""A MAF's training step on the device against torch.compile, batch 200 and 5,000

The flow and the step of `maf_step`; torch compiles the loss, forward and backward, with its own captured
graphs ("reduce-overhead"), for each batch anew. That takes it long, hence a page of its own: the cold time
says how long.
"""
from accel.density import maf
from experiments.bench.gpu import clock, frameworks, maf_step, ours

BATCHES = {200: 100, 5000: 20}


def run(xp, quick):
    params, rows = maf_step.parameters(), []
    torch = frameworks.found(xp).get("torch")
    for batch, n_steps in {50: 2}.items() if quick else BATCHES.items():
        data = maf_step.batches(batch, n_steps)
        sides = {ours.ENGINE: ours.Engine(maf, maf.fused, [params], xp,
                                          [a.reshape(-1, a.shape[-1]) for a in data], batch)}
        compared = maf_step.compare(xp, params, {"torch": torch} if torch else {}, [a[0] for a in data])
        if torch:
            arguments = (maf_step.loss_of(torch), frameworks.weights_of(params), frameworks.mask_tree(params),
                         data)
            sides |= {"torch": torch.steps(*arguments),
                      "torch compiled": torch.steps(*arguments, compiled=torch.on_gpu)}
        taken = clock.measured(xp, sides, quick=quick, pieces=n_steps)
        rows += clock.rows("MAF training step beside torch.compile", taken, unit="µs", along="batch",
                           at=batch, compared=compared)
    return rows
