"""Insight: where a selection lies, and why an example is in it or not."""
