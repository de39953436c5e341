"""Files saved by version 0.1 load in both packages and give the numbers that version 0.1 gave.

`tests/fixtures/saved_by_0_1/make.py` says how they were made.
"""
import shutil

import numpy as np
import pytest

import accel
import reference
from tests.agreement.comparator import assert_close
from tests.fixtures.saved_by_0_1 import make

BOTH = pytest.mark.parametrize("package", [reference, accel], ids=["reference", "accel"])
EXPECTED = np.load(make.HERE / "expected.npz")
PAGES = {"pca": "representation.pca", "gmm": "density.gmm", "autoencoder": "representation.autoencoder",
         "conv_autoencoder": "representation.conv_autoencoder", "vae": "generative.vae",
         "gan": "generative.gan", "wgan": "generative.wgan", "score_matching": "generative.score_matching",
         "pixel_flow": "density.pixel_flow", "npe": "inference.npe", "nle": "inference.nle",
         "nre": "inference.nre", "ensemble": "inference.deep_ensemble"}


def load(package, name, folder=make.HERE):
    """What the file of that name holds: gmm_diagonal.npz holds a gmm."""
    room, page = PAGES[name if name in PAGES else name.partition("_")[0]].split(".")
    return getattr(getattr(package, room), page).load(folder / f"{name}.npz")


def check(found, name):
    assert f"{name}/{len(found)}" not in EXPECTED
    for i, value in enumerate(found):
        assert_close(np.asarray(value), EXPECTED[f"{name}/{i}"], terms=2000, what=f"{name}/{i}")


@BOTH
@pytest.mark.parametrize("name", make.QUESTIONS)
def test_a_saved_object_gives_the_numbers_of_0_1(package, name):
    check(make.QUESTIONS[name](load(package, name)), name)


@BOTH
@pytest.mark.parametrize("name", make.QUESTIONS)
def test_it_can_be_saved_again(package, name, tmp_path):
    load(package, name).save(tmp_path / f"{name}.npz")
    check(make.QUESTIONS[name](load(package, name, tmp_path)), name)


@BOTH
@pytest.mark.parametrize(("name", "loop"), [("training", "minibatch"), ("adversarial", "adversarial")])
def test_an_interrupted_run_resumes_to_the_numbers_of_a_whole_one(package, name, loop, tmp_path):
    shutil.copy(make.HERE / f"{name}.npz", tmp_path / "checkpoint.npz")
    train = getattr(make, name)
    check(train(getattr(package.training, loop), np.random.default_rng(99), tmp_path / "checkpoint.npz"),
          name)


@BOTH
def test_an_interrupted_catalogue_resumes_to_the_numbers_of_a_whole_one(package, tmp_path):
    catalogue = package.inference.catalogue
    shutil.copytree(make.HERE / "catalogue", tmp_path / "run")
    kept = catalogue.load(tmp_path / "run")
    assert len(kept.mean) == 4
    posterior, x = load(package, "npe_maf"), make.DATA["x"][:9]
    whole = catalogue.summarise(posterior, x, out=tmp_path / "run", **make.CATALOGUE)
    for field in whole._fields:
        expected = EXPECTED[f"catalogue/{field}"].astype(float)
        assert_close(getattr(kept, field).astype(float), expected[:4], terms=2000, what=field)
        assert_close(getattr(whole, field).astype(float), expected, terms=2000, what=field)
