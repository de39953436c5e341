"""What pages expect of each other: the pages that are meant satisfy the protocols."""
import inspect

import pytest

import accel
import reference

BOTH = pytest.mark.parametrize("package", [pytest.param(package, id=package.__name__)
                                           for package in (reference, accel)])
PRIORS = ("BoxUniform", "Normal", "LogNormal", "Dirichlet", "Independent")
DENSITIES = ("made", "maf", "nsf", "realnvp", "mdn")


def missing(protocol, satisfying):
    """The names of a protocol that an object has not, or has with other leading parameters."""
    found = []
    for name, expected in vars(protocol).items():
        if name.startswith("_") or not inspect.isfunction(expected):
            continue
        actual = getattr(satisfying, name, None)
        wanted = [p.name for p in inspect.signature(expected).parameters.values()
                  if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"]
        if actual is None:
            found.append(name)
        elif not any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(expected).parameters.values()):
            have = [p for p in inspect.signature(actual).parameters if p != "self"]
            if have[:len(wanted)] != wanted:
                found.append(f"{name}{tuple(have)}, expected {tuple(wanted)}")
    return found


@BOTH
@pytest.mark.parametrize("name", DENSITIES)
def test_a_density_is_a_density_and_a_model(package, name):
    protocols, density = package.runtime.protocols, getattr(package.density, name)
    assert missing(protocols.Density, density) == [] == missing(protocols.Model, density)


@BOTH
@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_is_a_prior(package, name):
    assert missing(package.runtime.protocols.Prior, getattr(package.priors, name)) == []


@BOTH
def test_posteriors_are_posteriors(package):
    for page in ("npe", "nle", "nre"):
        posterior = getattr(package.inference, page).Posterior
        assert [name for name in missing(package.runtime.protocols.Posterior, posterior)
                if "log_prob" not in name] == []


@BOTH
def test_what_lacks_a_name_is_told(package):
    protocols = package.runtime.protocols
    assert missing(protocols.Density, package.density.gmm) and missing(protocols.Prior, package.density.maf)
