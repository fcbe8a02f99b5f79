"""A worker that dies between joining the features and letting go of them, and is then taken for done."""

import shutil
import sys
from pathlib import Path

from core.jobs.worker import main

if __name__ == "__main__":
    remove = shutil.rmtree
    shutil.rmtree = lambda path, **how: None if Path(path).name == "features" else remove(path, **how)
    sys.exit(main(Path(sys.argv[1])))
