"""The Desk's parts."""
