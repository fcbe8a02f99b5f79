"""Which requests would read a file, come from another site, or pass for another server?

A request is a method, a path and headers, all sent as they stand here; `{origin}` and `{host}` are the server's own.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """One request, and the statuses that refuse it."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    refused: tuple[int, ...] = (400, 403, 404, 405, 410)


UPS = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%252f", "..%5c", "....//", "..;/", "%c0%ae%c0%ae/", "..%00/")
ROOTS = ("/", "/static/", "/media/", "/component/x/", "/_stcore/bidi-components/x/", "/downloads/x/", "/app/static/")
READS = [
    *(Request("GET", f"{ROOTS[number % len(ROOTS)]}{up * 12}etc/passwd") for number, up in enumerate(UPS)),
    *(Request("GET", f"{root}../../../../../../../../etc/passwd") for root in ROOTS),
    *(Request("GET", f"{root}/etc/passwd") for root in ROOTS[1:]),
    Request("GET", "//etc/passwd"),
    Request("GET", "http://evil.example/etc/passwd"),
    Request("GET", "/static/..%2f..%2f..%2frequirements.txt"),
    Request("GET", "/app.py"),
    Request("GET", "/.streamlit/config.toml"),
    Request("GET", "/.streamlit/secrets.toml"),
    Request("GET", "/.git/config"),
    Request("GET", "/workspace/curation.duckdb"),
    Request("GET", "/pages/dataset.py"),
    Request("GET", "/media/" + "0" * 64 + ".csv"),
    Request("GET", "/media/%00"),
    Request("GET", "/" + "a" * 70_000, refused=(400, 404, 414, 431)),
]
TICKETS = [
    Request("GET", "/downloads/x/curation.duckdb"),
    Request("GET", "/downloads/" + "A" * 43 + "/chats.jsonl"),
    Request("GET", "/downloads//x"),
    Request("GET", "/downloads/%00/x"),
    Request("GET", "/downloads/../curation.duckdb"),
    Request("GET", "/downloads/' OR 1=1 --/x".replace(" ", "%20")),
    Request("POST", "/downloads/x/y"),
    Request("PUT", "/downloads/x/y"),
    Request("DELETE", "/downloads/x/y"),
]
HOSTS = (
    "evil.example",
    "evil.example:80",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example@127.0.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "[::]",
    "",
)
REBINDING = [
    Request("GET", path, {"Host": host})
    for host in HOSTS
    for path in (("/", "/_stcore/health", "/downloads/x/y") if host == "evil.example" else ("/",))
]
ORIGINS = ("https://evil.example", "http://evil.example", "null", "http://127.0.0.1.evil.example", "file://")
UPLOADS = [
    Request("PUT", "/_stcore/upload_file/{session}/evil", {"Origin": origin, "Content-Type": "multipart/form-data"})
    for origin in ORIGINS
] + [
    Request("PUT", "/_stcore/upload_file/{session}/evil", {"X-Xsrftoken": "forged", "Cookie": "_streamlit_xsrf=other"}),
    Request("DELETE", "/_stcore/upload_file/{session}/evil", {"Origin": "https://evil.example"}),
    Request("POST", "/_stcore/upload_file/{session}/evil", {"Origin": "https://evil.example"}),
]
SOCKETS = [
    *({"Origin": origin} for origin in ORIGINS),
    *({"Host": host, "Origin": f"http://{host}"} for host in HOSTS if host and "@" not in host),
]
MUST = {
    "reads": "refused, and no file's content is sent",
    "tickets": "refused: only the page that offered a file knows its ticket",
    "rebinding": "refused: the server goes by its own names alone",
    "uploads": "refused: nothing is kept that another site sends",
    "sockets": "the handshake is refused: no other site, and no other name for this server, gets a session",
}
CASES = [
    *((f"{each.method} by HTTP", each.path[:200], MUST["reads"]) for each in READS),
    *((f"{each.method} for a download", each.path, MUST["tickets"]) for each in TICKETS),
    *(("the header Host", f"{each.headers['Host']} at {each.path}", MUST["rebinding"]) for each in REBINDING),
    *((f"{each.method} of an upload", str(each.headers), MUST["uploads"]) for each in UPLOADS),
    *(("the websocket's headers", str(headers), MUST["sockets"]) for headers in SOCKETS),
]
