"""How does the file behind a URL get here? Whole, once, under a name made from the URL."""

import atexit
import hashlib
import ipaddress
import re
import shutil
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.data.rows import one_line
from core.errors import BadInput
from core.files import replacing

LARGEST_DOWNLOAD = 20 << 30
SECONDS_TO_CONNECT, SECONDS_OF_SILENCE = 10, 60
CHUNK = 1 << 20
FILE_NAME = re.compile(r'filename="?([^";]+)')


def is_url(source: str) -> bool:
    """Whether a source is an http address."""
    return source.lower().startswith(("http://", "https://"))


def download(url: str, folder: Path | None, *, public_only: bool = False) -> Path:
    """The file of a URL, fetched unless it is there already; without a folder it goes when Python ends.

    The name in the folder begins with the URL's hash, and ends in the suffix that the server gives.
    `public_only` keeps people of a served app from reading what only this machine can reach.
    Raises BadInput when the server cannot be reached, says no, breaks off, or sends too much.
    """
    folder = folder or passing_folder()
    folder.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(url.encode()).hexdigest()[:16]
    there = next(iter(sorted(folder.glob(f"{key}-*"))), None)
    if there is None and public_only:
        _refuse_what_is_not_public(url)
    return there or _fetch(url, folder, key, follow=not public_only)


def passing_folder() -> Path:
    """A folder that goes when Python ends."""
    folder = Path(tempfile.mkdtemp(prefix="gleaner-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _refuse_what_is_not_public(url: str) -> None:
    host = urlsplit(url).hostname or ""
    try:
        addresses = {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise BadInput(f"{url!r} cannot be had: {error.strerror or error}.") from None
    if not all(ipaddress.ip_address(address.partition("%")[0]).is_global for address in addresses):
        raise BadInput(f"{url!r} is an address of an inner network; load it with the command `ingest` instead.")


def _fetch(url: str, folder: Path, key: str, *, follow: bool) -> Path:
    import requests

    try:
        timeout = (SECONDS_TO_CONNECT, SECONDS_OF_SILENCE)
        with requests.get(url, stream=True, timeout=timeout, allow_redirects=follow) as answer:
            if answer.is_redirect:
                raise BadInput(f"{url!r} leads on to {answer.headers['Location']!r}; name that address itself.")
            if answer.status_code != 200:
                raise BadInput(f"{url!r} cannot be had: the server answers {answer.status_code} {answer.reason}.")
            path = folder / f"{key}-{_name(url, answer.headers.get('Content-Disposition', ''))}"
            with replacing(path) as partial, partial.open("wb") as stream:
                written = 0
                for chunk in answer.iter_content(CHUNK):
                    written += stream.write(chunk)
                    if written > LARGEST_DOWNLOAD:
                        raise BadInput(f"{url!r} is larger than {LARGEST_DOWNLOAD >> 30} GB; fetch it by hand.")
                _check_length(url, answer.headers, written)
    except (requests.RequestException, ValueError) as error:  # ValueError: an address that is none
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
