"""The Gains page's parts."""
