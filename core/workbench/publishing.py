"""Publish: the files that a lock names become a dataset repository on the hub, after each was checked."""

from pathlib import Path
from typing import Any

from core.data.lock import Lock, read_lock, verify_lock
from core.errors import BadInput
from core.files import user_path
from core.people import Role
from core.workbench.base import Bench
from core.workbench.rights import needs

README = "README.md"
NAMED = 3


class Publishing(Bench):
    """Exports that are checked and sent; nothing of it reads the workspace."""

    @needs(Role.CURATOR, "check the files of an export")
    def verify(self, lock: Path | str) -> int:
        """Check every file that a lock names; returns how many there are. Raises BadInput naming what differs."""
        return verify_files(lock)

    @needs(Role.CURATOR, "publish an export")
    def publish(self, lock: Path | str, repo_id: str, *, private: bool = True, token: str | None = None) -> str:
        """Publish an export; returns the address. See `publish_export`."""
        return publish_export(lock, repo_id, private=private, token=token)


def verify_files(lock: Path | str) -> int:
    """Check every file that a lock names; returns how many there are. Raises BadInput naming what differs."""
    path = user_path(lock)
    problems = verify_lock(path)
    if problems:
        more = f" And {len(problems) - NAMED:,} more." if len(problems) > NAMED else ""
        raise BadInput(" ".join(problems[:NAMED]) + more)
    return len(read_lock(path).export.files)


def publish_export(lock: Path | str, repo_id: str, *, private: bool = True, token: str | None = None) -> str:
    """Put the files that a lock names, the lock, and the card as README.md into a dataset repository, in one commit.

    The token is the environment's (HF_TOKEN) or the login's where none is given. Raises BadInput where a file is
    not what the lock says, where the hub says no or cannot be reached, and where a repository that is to be
    private is there already and public.
    """
    path = user_path(lock)
    verify_files(path)
    found = read_lock(path)
    try:
        return _send(path, found, repo_id, private, token)
    except BadInput:
        raise
    except Exception as error:  # the hub's client raises many kinds, and those of its transport
        raise BadInput(f"{repo_id!r} could not be published: {_one_line(error, token)}") from None


def _send(path: Path, lock: Lock, repo_id: str, private: bool, token: str | None) -> str:
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

    if not (token or get_token()):
        raise BadInput("The hub needs a token to write; set HF_TOKEN, or log in with `hf auth login`.")
    api: Any = HfApi(token=token)
    api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
    if private and not api.repo_info(repo_id, repo_type="dataset").private:
        raise BadInput(f"{repo_id!r} is there already and public; choose another name, or publish with --public.")
    files = lock.export.files
    sources = [(file.name, file.name) for file in files] + [(path.name, path.name)]
    sources += [(README, file.name) for file in files if file.role == "card"]
    operations = [CommitOperationAdd(name, path.with_name(source)) for name, source in sources]
    done = api.create_commit(
        repo_id, operations, repo_type="dataset", commit_message=f"{lock.export.examples:,} examples by Gleaner"
    )
    return str(done.repo_url)


def _one_line(error: Exception, token: str | None) -> str:
    from huggingface_hub import get_token

    words = " ".join(str(error).split())[:300] or type(error).__name__
    for secret in filter(None, (token, get_token())):
        words = words.replace(secret, "…")
    return words
