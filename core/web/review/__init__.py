"""The Review page's parts."""
