"""The command line: `python -m core COMMAND`, for servers without a browser. A thin face of the workbench."""

import sys
from typing import Any

import typer

from core.commands import (
    app,
    checking,
    deciding,
    keeping,
    loading,
    looking,
    mending,
    proving,
    reviewing,
    scoring,
    selecting,
    shipping,
)

__all__ = [
    "app",
    "checking",
    "deciding",
    "keeping",
    "loading",
    "looking",
    "main",
    "mending",
    "proving",
    "reviewing",
    "scoring",
    "selecting",
    "shipping",
]


def main() -> int:
    """Run the command line; what typer refuses is one line too."""
    usage_error: Any = typer.BadParameter.__base__  # typer exports the kinds of it, not the class itself
    try:
        return int(app(standalone_mode=False) or 0)
    except usage_error as error:
        print(f"Error: {error.format_message() or 'name a command; --help lists them.'}", file=sys.stderr)
        return 2
    except typer.Abort:
        return 130


if __name__ == "__main__":
    sys.exit(main())
