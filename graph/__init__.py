"""Who comes after whom: the wiring of the two graphs and their checkpoints."""
