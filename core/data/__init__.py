"""Data in and out: sources, shapes, quarantine, the demo, exports."""
