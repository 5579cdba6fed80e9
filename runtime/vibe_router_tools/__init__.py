"""The command `vibe-router` and what only it needs: evaluation, calibration, measurement, safe writing."""
