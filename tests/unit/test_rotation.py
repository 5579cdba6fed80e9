"""Rotations are orthogonal, keep the mean over channels, and spread a spike."""

from __future__ import annotations

import numpy as np
import pytest

from vibe_router_export.fold.rotation import mean_keeping_rotation, spreading_matrix


@pytest.mark.parametrize("width", [1, 2, 7, 48, 56, 60, 192, 768])
def test_rotation_is_orthogonal_and_keeps_the_mean(width: int) -> None:
    rotation = mean_keeping_rotation(width)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(width), atol=1e-13)
    np.testing.assert_allclose(rotation @ np.ones(width), np.ones(width), atol=1e-13)


@pytest.mark.parametrize("width", [2, 12, 48, 64, 192, 768])
def test_widths_of_known_hadamard_matrices_are_spread_evenly(width: int) -> None:
    matrix = spreading_matrix(width, np.random.default_rng(0))
    np.testing.assert_allclose(np.abs(matrix), width**-0.5, atol=1e-14)


@pytest.mark.parametrize("channel", [0, 1, 500, 767])
def test_a_spike_is_spread_whichever_channel_it_is_in(channel: int) -> None:
    spike = np.zeros(768)
    spike[channel] = 25_000
    assert np.abs(mean_keeping_rotation(768) @ spike).max() < 25_000 / 6
