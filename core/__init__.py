"""Gleaner: find, in a pile of instruction-tuning data, the few examples worth training on."""

__version__ = "0.1.0"
