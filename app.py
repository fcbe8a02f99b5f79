"""The server: `streamlit run app.py`.

Its script is `core/web/frame.py`, since a `pages/` folder beside the running script would
switch on Streamlit's old page discovery, which runs pages without the frame.
"""

import sys
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Route

from core.errors import BadInput
from core.web.downloads import ROUTE, send_file
from core.web.headers import guards
from core.web.health import ROUTE as HEALTH_ROUTE
from core.web.health import tell_health
from core.web.logs import start_app_logging
from core.web.other_names import OTHER_NAMES, lead_on
from core.web.pulse import ROUTE as PULSE_ROUTE
from core.web.pulse import answer_pulse
from core.web.signing_in import Doorkeeper, check_sign_in

start_app_logging()
app: Any = st.App(
    "core/web/frame.py",
    middleware=[*guards(), Middleware(Doorkeeper)],
    routes=[
        Route(ROUTE, send_file, methods=["GET"]),
        Route(PULSE_ROUTE, answer_pulse, methods=["GET"]),
        Route(HEALTH_ROUTE, tell_health, methods=["GET"]),
        *(Route(name, lead_on, methods=["GET"]) for name in OTHER_NAMES),
    ],
)

try:
    check_sign_in()
except BadInput as error:
    sys.exit(f"Error: {error}")
