"""How do the server's own lines, Streamlit's and uvicorn's get into one log?"""

import logging
from typing import Any

import streamlit.logger

from core.logs import pass_on, start_logging

PROCESS = "app"


def start_app_logging() -> None:
    """One JSON object a line from here on. Streamlit gives every logger of its own a handler, those too that it makes
    later: instead, they are passed on to ours."""
    maker: Any = streamlit.logger
    maker.setup_formatter = _pass_on
    start_logging(PROCESS)


def _pass_on(logger: logging.Logger) -> None:
    logger.propagate = True
    pass_on(logger)
