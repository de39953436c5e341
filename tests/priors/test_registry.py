"""Priors as plain values: through a file, from one package to the other."""
import pytest

import accel
import reference
from reference import priors
from tests.support.priors import EACH, refuses


@EACH
def test_a_description_crosses_packages_and_files(prior, tmp_path):
    description = priors.describe(prior)
    reference.runtime.persistence.save(tmp_path / "prior.npz", "prior", description)
    loaded = accel.runtime.persistence.load(tmp_path / "prior.npz", "prior")
    restored = accel.priors.restore(loaded)
    assert type(restored).__name__ == type(prior).__name__
    assert accel.priors.describe(restored) == description == priors.describe(priors.restore(loaded))


@refuses(*[(lambda p, value=value: p.restore(value), message) for value, message in (
    ({"name": "Cauchy"}, "description: expected what describe returns for one of BoxUniform, Normal"),
    ({"name": ["Normal"]}, "description: expected"),
    ({"name": "Normal", "mean": [0.0]}, "description: expected"),
    (None, "description: expected"), ({"name": "Independent", "parts": 3}, "parts: expected a list"))])
def test_bad_input_is_named(package, make, message):
    with pytest.raises(ValueError, match=message):
        make(package.priors)
