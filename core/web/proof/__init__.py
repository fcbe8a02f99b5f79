"""The Proof page's parts."""
