"""How does the file behind a URL get here? Whole, once, under a name made from the URL.

People of a served app reach public addresses alone. Host and port are read from the URL by the parser
that sends the request; the host's addresses are looked up once and judged, and the connection is made
to one of those, so that no second answer of the name server can lead elsewhere.
"""

import atexit
import hashlib
import ipaddress
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from core.data.rows import one_line
from core.errors import BadInput
from core.files import replacing

if TYPE_CHECKING:
    import requests

LARGEST_DOWNLOAD = 20 << 30
SECONDS_TO_CONNECT, SECONDS_OF_SILENCE, SECONDS_IN_ALL = 10, 60, 6 * 3600
TIMEOUT = (SECONDS_TO_CONNECT, SECONDS_OF_SILENCE)
CHUNK = 1 << 20
PASSWORD = re.compile(r"(?<=//)[^/?#]*@")
FILE_NAME = re.compile(r'filename="?([^";]+)')
NOT_PUBLIC = [
    ipaddress.ip_network(text) for text in ("192.88.99.0/24", "168.63.129.16/32", "2002::/16", "64:ff9b::/32")
]
"""What counts as global, but leads on to any IPv4 address (6to4, NAT64), or to Azure's host."""


def is_url(source: str) -> bool:
    """Whether a source is an http address."""
    return source.lower().startswith(("http://", "https://"))


def download(url: str, folder: Path | None, *, public_only: bool = False) -> Path:
    """The file of a URL, fetched unless it is there already; without a folder it goes when Python ends.

    The name in the folder begins with the URL's hash, and ends in the suffix that the server gives.
    `public_only` keeps people of a served app from reading what only this machine can reach; no
    redirect is followed then, and no proxy used.
    Raises BadInput when the server cannot be reached, says no, breaks off, or sends too much.
    """
    folder = folder or passing_folder()
    folder.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(url.encode()).hexdigest()[:16]
    there = next(iter(sorted(folder.glob(f"{key}-*"))), None)
    try:
        return there or _fetch(url, folder, key, public_only=public_only)
    except BadInput as error:
        raise BadInput(str(error).replace(url, without_password(url))) from None


def without_password(source: str) -> str:
    """A source as it may be shown and kept: a URL without the user and password in it."""
    return PASSWORD.sub("", source) if is_url(source) else source


def passing_folder() -> Path:
    """A folder that goes when Python ends."""
    folder = Path(tempfile.mkdtemp(prefix="gleaner-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    is_special = ip.is_multicast or ip.is_reserved or ip.is_unspecified or any(ip in network for network in NOT_PUBLIC)
    return ip.is_global and not is_special


def _public_addresses(url: str, host: str) -> list[str]:
    """The addresses of a host, all of them public."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadInput(f"{url!r} cannot be had: {getattr(error, 'strerror', None) or one_line(error)}.") from None
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    if not all(map(_is_public, addresses)):
        raise BadInput(f"{url!r} is an address of an inner network; load it with the command `ingest` instead.")
    return addresses


def _ask_public(url: str) -> "requests.Response":
    """The answer of a public address of the URL's host: asked for by address, with the host named in the
    header and in the handshake, and its certificate checked."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import parse_url

    if "\\" in url or not url.isprintable():
        raise BadInput(f"{url!r} has a backslash or a control character; write it as %5C, or without.")
    parts = parse_url(requests.Request("GET", url).prepare().url or "")
    if parts.auth is not None:
        raise BadInput("A URL with a user and password is not loaded here; use the command `ingest` instead.")
    host = (parts.host or "").strip("[]")
    addresses = _public_addresses(url, host)
    with requests.Session() as session:
        session.trust_env = False  # a proxy would look the host up again
        session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        adapter = HTTPAdapter()
        adapter.init_poolmanager(1, 1, server_hostname=host.rstrip("."))
        session.mount("https://", adapter)
        for left, address in enumerate(addresses, 1 - len(addresses)):
            pinned = parts._replace(host=f"[{address}]" if ":" in address else address).url
            try:
                return session.get(
                    pinned, headers={"Host": parts.netloc or ""}, stream=True, timeout=TIMEOUT, allow_redirects=False
                )
            except requests.ConnectionError:
                if not left:
                    raise
    raise BadInput(f"{url!r} cannot be had: its host has no address.")


def _fetch(url: str, folder: Path, key: str, *, public_only: bool) -> Path:
    import requests
    from urllib3.exceptions import HTTPError

    try:
        with _ask_public(url) if public_only else requests.get(url, stream=True, timeout=TIMEOUT) as answer:
            if answer.is_redirect:
                raise BadInput(f"{url!r} leads on to {answer.headers['Location']!r}; name that address itself.")
            if answer.status_code != 200:
                raise BadInput(f"{url!r} cannot be had: the server answers {answer.status_code} {answer.reason}.")
            path = folder / f"{key}-{_name(url, answer.headers.get('Content-Disposition', ''))}"
            with replacing(path) as partial, partial.open("wb") as stream:
                written, end = 0, time.monotonic() + SECONDS_IN_ALL
                while chunk := answer.raw.read1(CHUNK, decode_content=True):  # what is there, be it one byte
                    written += stream.write(chunk)
                    if written > LARGEST_DOWNLOAD:
                        raise BadInput(f"{url!r} is larger than {LARGEST_DOWNLOAD >> 30} GB; fetch it by hand.")
                    if time.monotonic() > end:
                        raise BadInput(f"{url!r} was not here after {SECONDS_IN_ALL / 3600:g} h; fetch it by hand.")
                _check_length(url, answer.headers, written)
    except (requests.RequestException, HTTPError, ValueError) as error:  # ValueError: an address that is none
        raise BadInput(f"{url!r} cannot be had: {_reason(error)}") from None
    except OSError as error:
        raise BadInput(f"{url!r} cannot be kept in {str(folder)!r}: {error.strerror}.") from None
    return path


def _check_length(url: str, headers: Mapping[str, str], written: int) -> None:
    promised = headers.get("Content-Length", "")
    if promised.isdecimal() and not headers.get("Content-Encoding") and written != int(promised):
        raise BadInput(f"{url!r} broke off after {written:,} of {int(promised):,} bytes; try again.")


def _name(url: str, disposition: str) -> str:
    given = FILE_NAME.search(disposition)
    name = given[1] if given else unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    return re.sub(r"[^\w.-]", "_", name)[-80:].lstrip(".") or "file"


def _reason(error: Exception) -> str:
    """What failed, without the library's own inner names."""
    cause: BaseException | None = error
    while cause and (deeper := cause.__cause__ or cause.__context__):
        cause = deeper
    return getattr(cause, "strerror", None) or one_line(cause or error)
