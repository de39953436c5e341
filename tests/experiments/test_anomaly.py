"""What the anomaly experiment measures with, on images where the answer is known, and a quick run of it."""
from types import SimpleNamespace

import numpy as np
import pytest

import reference
from experiments import anomaly
from experiments.harness import framework


def test_the_stretch_leaves_noise_and_compresses_light():
    x = np.array([-1.0, 1.0, 100.0, 1000.0])
    y = anomaly.SOFTENING * anomaly.stretch(np, x)
    np.testing.assert_allclose(y[:2], x[:2], rtol=2e-3)
    assert y[2] < 35 and y[3] - y[2] == pytest.approx(anomaly.SOFTENING * np.log(10), rel=1e-2)


def test_the_summary_is_the_scores_and_the_log_of_what_they_leave():
    plane = np.eye(6)[:2]
    pca = SimpleNamespace(transform=lambda x: x[:, :2], inverse_transform=lambda z: z @ plane)
    found = anomaly.summary(np, pca, np.array([[3.0, -1.0, 2.0, 0.0, 0.0, 2.0]]))
    np.testing.assert_allclose(found, [[3.0, -1.0, 0.5 * np.log(8 / 6)]], rtol=1e-14)


def test_the_residual_is_the_rms_of_what_is_lost():
    half = SimpleNamespace(transform=lambda x: x, inverse_transform=lambda z: z / 2)
    np.testing.assert_allclose(anomaly.residual(half, np.array([[2.0, 4.0]])), [np.sqrt((1 + 4) / 2)],
                               rtol=1e-14)


def test_training_and_scored_galaxies_are_different_ones():
    settings = framework.settings(backend="reference", quick=True)
    training, galaxies = anomaly.simulate(settings)
    assert list(galaxies) == ["ordinary", "unseen", *anomaly.KINDS]
    everything = np.concatenate((training, *galaxies.values()))
    assert (len(np.unique(everything[:, 0])) == len(everything) == sum(anomaly.QUICK["sizes"])
            + 3 * anomaly.QUICK["sizes"][3])
    assert everything.shape[1] == reference.numerics.point_spread.SIZE**2


def test_quick_run_reports_every_score_and_kind(tmp_path):
    record = framework.execute("anomaly", framework.settings(where="cpu", quick=True, out=tmp_path))
    names = [name for name in record["metrics"] if name.startswith("area")]
    assert len(names) == 1 + 4 * (1 + len(anomaly.KINDS)) and (tmp_path / "anomaly.png").exists()
    values = {name: record["metrics"][name]["value"] for name in names}
    assert all(0 <= value <= 1 for value in values.values())
    best = record["metrics"]["area under the ROC curve, best of the three"]
    assert (best["target"], best["at"]) == (0.9, "least")
    assert best["value"] == max(values[f"area under the ROC curve, {name}, all"]
                                for name in ("WGAN", "flow", "autoencoder"))
