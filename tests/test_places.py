"""Arrays on two devices, or in a dtype that nobody computes in: a ValueError at the door that names the
argument."""
import numpy as np
import pytest

import accel
import reference
from accel import device
from tests.agreement.backends import uses_cuda
from tests.strict_cupy import COMPILER

DENSITIES = ("made", "maf", "mdn", "nsf", "realnvp")
KERNELS = [False,
           pytest.param(True,
                        marks=pytest.mark.skipif(COMPILER is None,
                                                 reason="kernels run through g++, which was not found"))]


@pytest.fixture
def cp():
    if uses_cuda():
        pytest.skip("the real CuPy is in this process")
    from tests import strict_cupy
    return strict_cupy.install()


def model(package, name):
    """The module, its parameters, x (4, 3) and a context (4, 2), float64 on the host."""
    module, rng = getattr(package.density, name), np.random.default_rng(0)
    settings = {"hidden": (5,),
                **({"n_components": 2} if name == "mdn" else {"n_transforms": 2} if name != "made" else {})}
    return (module, module.init_params(rng, dim=3, context_dim=2, **settings), rng.standard_normal((4, 3)),
            rng.standard_normal((4, 2)))


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", DENSITIES)
def test_a_density_refuses_arrays_that_are_elsewhere(cp, name, kernels):
    module, params, x, context = model(accel, name)
    calls = [getattr(module, f)
             for f in ("log_prob", "loss", "loss_and_grad", "log_prob_and_grad") if hasattr(module, f)]
    for here, there, words in ((np, cp, ("host", "device")), (cp, np, ("device", "host"))):
        ours, (x_ours, c_ours) = device.put(params, here), device.put((x, context), here)
        x_off, c_off = device.put((x, context), there)
        with device.kernels(kernels):
            for call in calls:
                for bad, argument in (((x_off, c_ours), "x"), ((x_ours, c_off), "context"),
                                      ((x_off, c_off), "x")):
                    with pytest.raises(
                            ValueError,
                            match=f"^{argument}: expected an array on the {words[0]}, where params is, got "):
                        call(ours, *bad)
            with pytest.raises(ValueError, match=f"^context: expected an array on the {words[0]}"):
                module.sample(ours, np.random.default_rng(0), 2, c_off)


def test_training_refuses_data_that_are_elsewhere(cp):
    maf, params, x, context = model(accel, "maf")
    for data, argument in (((x, context), r"data\[0\]"), ((cp.asarray(x), context), r"data\[1\]")):
        with pytest.raises(
                ValueError,
                match=f"^{argument}: expected an array on the device, where params is, got one on the host"):
            accel.training.minibatch.train(maf, device.put(params, cp), data, rng=np.random.default_rng(0),
                                           max_epochs=1)


def test_estimators_refuse_arrays_that_are_elsewhere(cp):
    rng = np.random.default_rng(0)
    theta, x = rng.standard_normal((40, 2)), rng.standard_normal((40, 3))
    pca, gmm, npe = accel.representation.pca, accel.density.gmm, accel.inference.npe
    with pytest.raises(ValueError,
                       match="^x: expected an array on the device, where mean is, got one on the host"):
        pca.fit(cp.asarray(x), n_components=2).transform(x)
    with pytest.raises(ValueError,
                       match="^x: expected an array on the host, where means is, got one on the device"):
        gmm.fit(x, n_components=2, rng=rng, max_iterations=2, tolerance=1e6).log_prob(cp.asarray(x))
    prior = accel.priors.Normal(np.zeros(2), np.ones(2))
    with pytest.raises(ValueError,
                       match="^x: expected an array on the device, where theta is, got one on the host"):
        npe.fit(prior, cp.asarray(theta), x, rng=rng)
    posterior = npe.fit(prior, theta, x, rng=rng, max_epochs=1, n_transforms=1, hidden=(4,))
    with pytest.raises(ValueError,
                       match="^x: expected an array on the host, where posterior is, got one on the device"):
        posterior.sample(rng, 2, cp.asarray(x[0]))
    score = accel.generative.score_matching
    with pytest.raises(ValueError,
                       match="^x: expected an array on the device, where params is, got one on the host"):
        score.score(device.put(score.init_params(rng, dim=3, hidden=(4,)), cp), x, 1.0)


def test_an_observation_is_sent_to_the_posterior(cp):
    rng = np.random.default_rng(0)
    theta, x = cp.asarray(rng.standard_normal((40, 2))), rng.standard_normal((40, 3))
    prior = accel.priors.Normal(np.zeros(2), np.ones(2))
    with device.kernels(False):
        posterior = accel.inference.npe.fit(prior, theta, cp.asarray(x), rng=rng, max_epochs=1,
                                            n_transforms=1, hidden=(4,))
        assert isinstance(posterior.sample(rng, 2, x[0]), cp.ndarray)


@pytest.mark.parametrize("package",
                         [pytest.param(package, id=package.__name__) for package in (reference, accel)])
@pytest.mark.parametrize("name", DENSITIES)
def test_a_density_refuses_half_precision(package, name):
    module, params, x, context = model(package, name)
    for bad, argument in (((x.astype(np.float16), context), "x"),
                          ((x, context.astype(np.float16)), "context")):
        for function in ("log_prob", "loss", "loss_and_grad"):
            with pytest.raises(
                    ValueError,
                    match=f"^{argument}: expected real numbers in float64 or float32, got dtype float16"):
                getattr(module, function)(params, *bad)


def test_estimators_refuse_half_precision_on_a_device(cp):
    rng = np.random.default_rng(0)
    half = cp.asarray(rng.standard_normal((40, 3)).astype(np.float16))
    whole, prior = half.astype("float32"), accel.priors.Normal(np.zeros(3), np.ones(3))
    langevin = accel.generative.langevin
    for call, argument in ((lambda: accel.representation.pca.fit(half, n_components=2), "x"),
                           (lambda: accel.density.gmm.fit(half, n_components=2, rng=rng), "x"),
                           (lambda: accel.inference.npe.fit(prior, half, whole, rng=rng), "theta"),
                           (lambda: accel.inference.npe.fit(prior, whole, half, rng=rng), "x"),
                           (lambda: accel.generative.score_matching.fit(half, rng=rng), "x"),
                           (lambda: langevin.unadjusted(rng, lambda x, sigma: -x, half, step_size=0.1,
                                                        n_steps=2), "start")):
        with pytest.raises(
                ValueError,
                match=f"^{argument}: expected real numbers in float64 or float32, got dtype float16"):
            call()
