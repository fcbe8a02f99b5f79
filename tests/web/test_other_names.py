"""A page is found under its title too, where it lies at another address."""

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from core.web.other_names import OTHER_NAMES, lead_on


@pytest.mark.parametrize("base", ["", "/below"])
@pytest.mark.parametrize(("name", "page"), [("/dataset", "/"), ("/desk", "/select"), ("/rendering", "/render")])
def test_a_title_leads_to_its_page_with_all_that_the_address_says(base: str, name: str, page: str) -> None:
    app = Starlette(
        routes=[
            *(Route(other, lead_on) for other in OTHER_NAMES),
            Route("/{page:path}", lambda request: PlainTextResponse(str(request.url.query))),
        ]
    )
    client = TestClient(Starlette(routes=[Mount(base, app)]) if base else app)
    answer = client.get(f"{base}{name}?dataset=a%26b&row=3")
    assert answer.url.path == f"{base}{page}"
    assert answer.text == "dataset=a%26b&row=3"
