"""The web face: the frame around the pages, and what pages share."""
