"""What is done: one file per node of the graphs, each a verb."""
