"""Jobs: work that outlives a browser tab, as a folder of files and one process."""
