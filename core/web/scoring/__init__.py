"""The Scoring page's parts."""
