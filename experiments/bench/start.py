"""From a cold interpreter to the first posterior sample of a saved model, and installed sizes, against sbi

Each round starts a new interpreter that imports the library, loads a saved posterior (sbi: what torch saved)
and draws one sample for one observation. Sizes are the files of a package and of everything that it requires,
in this environment.
"""
import contextlib
import importlib.metadata
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from accel import priors
from accel.inference import npe
from experiments.bench import timing

OURS = ("import numpy as np; from accel.inference import npe; posterior = npe.load({path!r}); "
        "print(posterior.sample(np.random.default_rng(0), 1, np.zeros(10)).shape)")
SBI = ("import torch; torch.set_num_threads(1); posterior = torch.load({path!r}, weights_only=False); "
       "print(tuple(posterior.sample((1,), x=torch.zeros(10), show_progress_bars=False).shape))")


def run(xp, quick):
    # sbi writes logs where it is called
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        commands = {"ours": OURS.format(path=save_ours(f"{folder}/ours.npz")),
                    "sbi": SBI.format(path=save_sbi(f"{folder}/sbi.pkl"))}

        def fresh(code):
            said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True,
                                  text=True).stdout
            if said.strip() != "(1, 3)":
                raise AssertionError(f"expected one sample of shape (1, 3), got {said.strip()}")
        taken, rounds = timing.interleaved(
            {side: lambda code=code: fresh(code) for side, code in commands.items()}, quick=quick)
    rows = timing.against(
        "Cold start to the first sample of a saved posterior", taken, rounds, targets={"sbi": 10}, unit="s",
        compared={"sbi": "one sample of three parameters for one observation of ten numbers"})
    sizes = {name: sum(map(size, required(name))) / 1e6 for name in ("diptych", "sbi")}
    rows.append({"work": "Installed size with all that is required", "peer": "sbi",
                 "ratio": round(sizes["sbi"] / sizes["diptych"], 1), "target": None,
                 "ours [MB]": round(sizes["diptych"]), "peer [MB]": round(sizes["sbi"]),
                 "compared": f"{len(required('diptych'))} and {len(required('sbi'))} distributions"})
    return rows


def save_ours(path):
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((100, 3))
    npe.fit(priors.Normal(np.zeros(3), np.ones(3)), theta, rng.standard_normal((100, 10)), rng=rng,
            max_epochs=1).save(path)
    return path


def save_sbi(path):
    import torch
    from sbi.inference import NPE
    prior = torch.distributions.MultivariateNormal(torch.zeros(3), torch.eye(3))
    trainer = NPE(prior=prior, show_progress_bars=False)
    trainer.append_simulations(prior.sample((100,)), torch.randn(100, 10)).train(max_num_epochs=1)
    torch.save(trainer.build_posterior(), path)
    return path


def required(name):
    """The distribution and all that it requires without extras, as far as they are installed."""
    found, waiting = set(), [name]
    while waiting:
        one = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        try:
            requirements = importlib.metadata.requires(one) or []
        except importlib.metadata.PackageNotFoundError:                       # one for another platform
            continue
        if one not in found:
            found.add(one)
            waiting += [re.match(r"[A-Za-z0-9._-]+", line)[0]
                        for line in requirements if "extra ==" not in line]
    return found


def size(name):
    """Bytes of the files that the distribution installed; of ours, installed in place, of its two
    packages."""
    if name == "diptych":
        root = Path(__file__).resolve().parents[2]
        return sum(path.stat().st_size for part in ("reference", "accel", "experiments")
                   for path in (root / part).rglob("*.py"))
    files = importlib.metadata.files(name) or []
    return sum(path.stat().st_size for file in files if (path := Path(file.locate())).is_file())
