"""Scoring: one forward pass over a dataset, the warm-up calibration, and the shards they leave."""
