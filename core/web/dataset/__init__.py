"""The Dataset page's parts."""
