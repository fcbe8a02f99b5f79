"""The Example page's parts."""
