"""How far judges can be trusted: agreement, calibration, canaries, comparison, lineage."""
