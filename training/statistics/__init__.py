"""Statistics without weights: intervals, agreement, calibration, drift."""
