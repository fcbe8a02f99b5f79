"""Does this server live? One address for whoever watches over it, without a word about what it holds."""

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.web.session import open_workspace

ROUTE = "/health"
SECONDS = 5.0


async def tell_health(_request: Request) -> Response:
    """200 when the database answers and the supervisor lives; 503 with which one does not."""
    found = {"database": False, "supervisor": False}
    with anyio.move_on_after(SECONDS):
        found = await anyio.to_thread.run_sync(_look, abandon_on_cancel=True)
    is_well = all(found.values())
    body = {"status": "ok" if is_well else "failing", **found}
    return JSONResponse(body, status_code=200 if is_well else 503, headers={"cache-control": "no-store"})


def _look() -> dict[str, bool]:
    try:
        return open_workspace().health()
    except Exception:  # whatever keeps the workspace from opening, who asks is told no more than that
        return {"database": False, "supervisor": False}
