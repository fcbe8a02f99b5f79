"""The Plan page's parts."""
