"""Curator, annotator, viewer and nobody sign in by a real OIDC provider, and forged and passed-on words are worth
nothing."""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from oidc_provider_mock import User, run_server_in_thread
from playwright.sync_api import Browser, BrowserContext, Page, expect
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from tests.e2e.conftest import Place
from tests.e2e.driving import LOADING, SIDEBAR, Server, open_page, rest, serving
from tests.signing import COOKIE_SECRET, claims_of, signed_cookie

pytestmark = pytest.mark.e2e

SEEN = {"email_verified": True}
USERS = (
    User(sub="ada", claims={"name": "Ada", "email": "ada@example.org"} | SEEN),
    User(sub="cora", claims={"email": "cora@example.org", "groups": ["data-team"]} | SEEN),
    User(sub="bea", claims={"name": "Ada", "email": "bea@example.org"} | SEEN),
    User(sub="eve", claims={"email": "eve@example.net"} | SEEN),
    User(sub="finn", claims={"email": "finn@example.com"} | SEEN),
    User(sub="gus", claims={"name": "Gus", "email": "ada@example.org", "email_verified": False}),
    User(
        sub="mallory", claims={"email": "ada@example.org", "groups": ["curator"], "iss": "http://evil.example"} | SEEN
    ),
)
SECRETS = """
[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "{secret}"
client_id = "gleaner"
client_secret = "known to the provider"
server_metadata_url = "http://localhost:{port}/.well-known/openid-configuration"

[roles]
claim = "groups"
curator = ["ada@example.org", "group:data-team"]
annotator = ["*@example.org"]
viewer = ["eve@example.net"]
ask = "the data team"
"""
Browse = Callable[[], BrowserContext]


@pytest.fixture(scope="module")
def place(full: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A copy that the tests may change."""
    workspace = tmp_path_factory.mktemp("roles") / "workspace"
    return Place(Path(shutil.copytree(full.workspace, workspace)), full.address)


@pytest.fixture(scope="module")
def server(place: Place) -> Iterator[Server]:
    """The app, and the provider that it asks who somebody is."""
    folder = place.workspace.parent
    with run_server_in_thread(user_claims=USERS) as provider:
        secrets = folder / "secrets.toml"
        secrets.write_text(SECRETS.format(port=provider.server_port, secret=COOKIE_SECRET))
        with serving(place.workspace, folder / "server.log", STREAMLIT_SECRETS_FILES=str(secrets)) as server:
            yield server


@pytest.fixture
def browse(browser: Browser) -> Iterator[Browse]:
    """Opens browsers that know nothing of each other."""
    contexts = list[BrowserContext]()

    def new_context() -> BrowserContext:
        contexts.append(browser.new_context(viewport={"width": 1440, "height": 900}))
        return contexts[-1]

    yield new_context
    for context in contexts:
        context.close()


def go_in(context: BrowserContext, server: Server, sub: str, link: str) -> Page:
    """By a link to the door, through it and the provider, and back."""
    page = context.new_page()
    page.goto(link)
    page.get_by_role("button", name="Sign in").click(timeout=LOADING)
    page.get_by_role("button", name=sub, exact=True).click(timeout=LOADING)
    page.wait_for_url(f"{server.address}/**", timeout=LOADING)
    return page


def sign_in(context: BrowserContext, server: Server, sub: str) -> Page:
    """The same, and until the first page rests."""
    page = go_in(context, server, sub, server.address)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    rest(page)
    return page


def expect_door(page: Page) -> None:
    """The way in, and nothing else."""
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.locator(SIDEBAR)).not_to_be_visible()
    expect(page.get_by_text("slice").filter(visible=True)).to_have_count(0)


def take_cookie(context: BrowserContext) -> dict[str, str]:
    """The signed cookie of a browser."""
    return {of["name"]: of["value"] for of in context.cookies() if of["name"] == USER_COOKIE_NAME}


def give_cookies(context: BrowserContext, server: Server, cookies: dict[str, str]) -> BrowserContext:
    context.add_cookies([{"name": name, "value": value, "url": server.address} for name, value in cookies.items()])
    return context


def test_nobody_sees_anything_at_any_address(browse: Browse, server: Server, place: Place) -> None:
    context = browse()
    page = context.new_page()
    for name in ("", "scoring", "example", "export"):
        page.goto(server.url(name, **place.address))
        expect_door(page)
    for address in ("media/x.png", "downloads/x/y.jsonl", "pulse/x", "_stcore/metrics"):
        assert context.request.get(f"{server.address}/{address}").status == 403
    assert context.request.put(f"{server.address}/_stcore/upload_file/x/y").status == 403


@pytest.mark.parametrize(
    ("sub", "said"), [("finn", "finn@example.com"), ("gus", "Gus (gus)")], ids=["no role", "email not verified"]
)
def test_somebody_without_a_role_is_told_so(browse: Browse, server: Server, sub: str, said: str) -> None:
    page = sign_in(browse(), server, sub)
    expect(page.get_by_text(f"You are signed in as {said}. Ask the data team for a role.")).to_be_visible()
    expect(page.get_by_text("slice")).to_have_count(0)


def test_a_token_of_another_issuer_opens_nothing(browse: Browse, server: Server) -> None:
    context = browse()
    page = sign_in(context, server, "mallory")
    expect_door(page)
    assert take_cookie(context) == {}


def test_a_viewer_reads_and_changes_nothing(browse: Browse, server: Server, place: Place) -> None:
    page = sign_in(browse(), server, "eve")
    expect(page.locator(SIDEBAR).get_by_text("eve@example.net, viewer")).to_be_visible()
    open_page(page, server, "example", **place.address)
    for label in ("Pin", "Ban", "Note"):
        expect(page.get_by_role("button", name=re.compile(label)).first).to_be_disabled()
    open_page(page, server, "export", **place.address)
    expect(page.get_by_text("to export a selection takes a curator")).to_be_visible()
    expect(page.get_by_role("link", name="Download")).to_have_count(0)


def test_a_link_leads_to_where_it_says_once_one_is_in(browse: Browse, server: Server, place: Place) -> None:
    page = go_in(browse(), server, "eve", server.url("example", **place.address))
    expect(page.get_by_role("heading", level=1)).to_have_text("Example")
    rest(page)
    assert f"row={place.address['row']}" in page.url
    page.goto(server.address)  # and only once
    expect(page.get_by_role("heading", level=1)).to_have_text("Dataset")


def test_an_annotators_account_stands_on_the_decision(browse: Browse, server: Server, place: Place) -> None:
    """Her name is Ada by her own word, and so says a cookie that she made: neither counts."""
    page = sign_in(give_cookies(browse(), server, {"gleaner_person": "ada"}), server, "bea")
    open_page(page, server, "render", **place.address | {"row": "11"})
    page.get_by_role("button", name="Ban", exact=True).click()
    expect(page.get_by_text(re.compile("^Banned row 11"))).to_be_visible()
    open_page(page, server, "example", **place.address | {"row": "11"})
    expect(page.get_by_text(re.compile(r"ban, bea@example\.org,"))).to_be_visible()
    open_page(page, server, "scoring", **place.address)
    page.get_by_text("New scoring run").click()
    expect(page.get_by_role("button", name="Start scoring")).to_be_disabled()


def test_a_download_is_worth_something_to_its_curator_alone(browse: Browse, server: Server, place: Place) -> None:
    context = browse()
    page = sign_in(context, server, "ada")
    open_page(page, server, "export", **place.address)
    link = page.get_by_role("link", name="Download the file")
    expect(link).to_be_visible()
    address = urljoin(f"{server.address}/", link.get_attribute("href"))
    assert context.request.get(address).headers["content-disposition"].startswith("attachment")
    team = signed_cookie(claims_of("cora@example.org", groups=["data-team"]), origin=server.address)
    assert give_cookies(browse(), server, team).request.get(address).status == 410
    bea = signed_cookie(claims_of("bea@example.org"), origin=server.address)
    assert give_cookies(browse(), server, bea).request.get(address).status == 403
    assert browse().request.get(address).status == 403
    assert context.request.get(address).status == 200


def test_forged_and_old_cookies_open_nothing(browse: Browse, server: Server) -> None:
    own = signed_cookie(claims_of("eve@example.net"), origin=server.address)[USER_COOKIE_NAME]
    wanted = signed_cookie(claims_of("ada@example.org"), origin=server.address)
    body = wanted[USER_COOKIE_NAME]
    forged = {
        "unsigned": '{"email":"ada@example.org","is_logged_in":true}',
        "another's signature": ".".join([*body.split(".")[:-2], *own.split(".")[-2:]]),
        "another secret": signed_cookie(claims_of("ada@example.org"), "x" * 40, server.address)[USER_COOKIE_NAME],
        "another address": signed_cookie(claims_of("ada@example.org"))[USER_COOKIE_NAME],
        "a month old": signed_cookie(claims_of("ada@example.org"), origin=server.address, age_seconds=32 * 86_400)[
            USER_COOKIE_NAME
        ],
        "issued yesterday": signed_cookie(
            claims_of("ada@example.org", iat=int(time.time()) - 86_400), origin=server.address
        )[USER_COOKIE_NAME],
    }
    for cookie in forged.values():
        page = give_cookies(browse(), server, {USER_COOKIE_NAME: cookie}).new_page()
        page.goto(server.address)
        expect_door(page)
    page = give_cookies(browse(), server, wanted).new_page()
    page.goto(server.address)
    expect(page.locator(SIDEBAR).get_by_text("ada@example.org, curator")).to_be_visible()


def test_signing_out_ends_the_sign_in_for_every_copy_of_its_cookie(browse: Browse, server: Server) -> None:
    context = browse()
    page = sign_in(context, server, "cora")
    expect(page.locator(SIDEBAR).get_by_text("cora@example.org, curator")).to_be_visible()
    cookie, second = take_cookie(context), context.new_page()
    second.goto(server.address)
    expect(second.locator(SIDEBAR).get_by_text("cora@example.org, curator")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="End session").click(timeout=LOADING)
    page.wait_for_url(f"{server.address}/**", timeout=LOADING)
    expect_door(page)
    assert take_cookie(context) == {}
    second.get_by_role("link", name="Scoring").click()
    expect_door(second)
    copied = give_cookies(browse(), server, cookie).new_page()
    copied.goto(server.address)
    expect_door(copied)
    assert give_cookies(browse(), server, cookie).request.get(f"{server.address}/media/x").status == 403
