"""What can go wrong by the user's doing, and by the machine's.

Every message says what came, where, and what to do, in one line. Pages show it as a
notice, the command line prints it to stderr and exits with 2; neither shows a traceback.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

KEPT = "What was done before is kept."
MEMORY = (
    "Memory ran out; close other programs, and score with a smaller model, max_length or batch_tokens, then try again."
)
FAULTS = {
    errno.ENOSPC: "The disk is full; free some space, then try again.",
    errno.EDQUOT: "The disk quota is used up; free some space, then try again.",
    errno.EROFS: "The disk is read-only; make it writable, then try again.",
    errno.EACCES: "This account may not read or write there; change the permissions, then try again.",
    errno.EPERM: "This account may not read or write there; change the permissions, then try again.",
    errno.EIO: "The disk fails to read or write (I/O error); check it, then try again.",
    errno.EMFILE: "Too many files are open; raise the limit (ulimit -n), then try again.",
    errno.ENOMEM: MEMORY,
}
TOLD_AS_TEXT = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
MEMORY_WORDS = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc")


class GleanerError(Exception):
    """Base of every error whose message is meant for the user."""


class BadInput(GleanerError):
    """A file, an option or a name that cannot be used as it came."""


class WorkspaceBusy(GleanerError):
    """Another process owns the workspace's database."""


class JobFailed(GleanerError):
    """A background job ended without its result."""


class Forbidden(GleanerError):
    """A person whose role does not allow what was asked."""


class Fault(GleanerError):
    """The machine gave way: disk, memory or database. Nothing is wrong with what was asked."""


def explain_fault(error: BaseException) -> str | None:
    """What to do about a full or read-only disk or too little memory, whatever library met it; None for all else."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in FAULTS:
            where = f"{str(cause.filename)!r}: " if cause.filename else ""
            return f"{where}{FAULTS[cause.errno]} {KEPT}"
        if _is_of_memory(cause):
            return f"{MEMORY} {KEPT}"
        told = next((number for number in TOLD_AS_TEXT if os.strerror(number) in str(cause)), None)
        if told is not None:
            return f"{FAULTS[told]} {KEPT}"
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


@contextmanager
def faults_in_words() -> Iterator[None]:
    """Turn a fault of the machine, and any file that cannot be used, into an error whose message says what to do."""
    try:
        yield
    except GleanerError:
        raise
    except Exception as error:
        if told := explain_fault(error):
            raise Fault(told) from error
        if isinstance(error, OSError):
            where = f"{str(error.filename)!r} cannot be used: " if error.filename else ""
            raise Fault(f"{where}{error.strerror or error}. {KEPT}") from error
        raise


def _is_of_memory(error: BaseException) -> bool:
    """Python's, NumPy's and Arrow's are MemoryErrors; PyTorch's are RuntimeErrors, a GPU's with a name of their own."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in MEMORY_WORDS)
