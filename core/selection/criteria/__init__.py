"""The criteria: one file a family, each criterion with its settings, source and needs."""
