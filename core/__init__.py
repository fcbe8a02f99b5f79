"""Gleaner: find, in a pile of instruction-tuning data, the few examples worth training on."""

import os

__version__ = "0.1.0"

# Threads of torch that wait by spinning make everything several times slower as soon as another
# program, such as the browser, wants the same cores. Read when torch is loaded, so it stands here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
