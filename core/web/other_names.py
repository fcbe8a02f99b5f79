"""Addresses that people type by a page's title, where the page lies at another."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from core.web.navigation import PAGES

OTHER_NAMES = {f"/{title.lower()}": name for pages in PAGES.values() for name, title in pages if title.lower() != name}
OTHER_NAMES |= {"/dataset": ""}  # the first page has no name in its address


async def lead_on(request: Request) -> Response:
    """To the page, with all that the address says; relative, so that it holds where the app is mounted too."""
    page = OTHER_NAMES[request.url.path.removeprefix(request.scope.get("root_path", ""))]
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"./{page}{query}")
