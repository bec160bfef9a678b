"""What happens to weights: generation, datasets, training, statistics, adapters. Imports nothing heavy by itself."""
