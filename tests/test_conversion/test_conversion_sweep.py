"""Thresholds that are spread over the shares, and the one to take."""

import numpy as np
import pytest

from msvit.conversion.measuring import Reached
from msvit.conversion.sweep import SHARES, Setting, recommend, spread_thresholds


def test_thresholds_give_the_shares():
    p_fine = np.random.default_rng(0).beta(0.3, 0.5, 10_000)
    pairs = spread_thresholds(p_fine)
    assert [share for share, _ in pairs] == list(SHARES)
    for share, threshold in pairs:
        assert (p_fine > threshold).mean() == pytest.approx(share, abs=0.002)
        assert float(f'{threshold:g}') == threshold, 'what is told is what was measured'


def test_equal_values_are_not_parted():
    pairs = spread_thresholds(np.array([0.25] * 8 + [0.75] * 2))
    assert pairs == [(0.1, 0.75), (0.2, pytest.approx(0.35)), (0.3, 0.25), (1.0, 0.0)]


def setting(share: float, score: float) -> Setting:
    return Setting(share, 1 - share, Reached(score, 100 * share, share, {}))


def test_the_cheapest_that_is_near_enough():
    settings = [setting(0.2, 58.0), setting(0.4, 59.6), setting(0.6, 59.4), setting(0.8, 60.2)]
    assert recommend(settings, 60.0) is settings[1]
    assert recommend(settings, 60.8) is None
    assert settings[1].option == 'model.backbone.gate.threshold=0.6'
