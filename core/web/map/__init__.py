"""The Map page's parts."""
