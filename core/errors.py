"""What can go wrong by the user's doing.

Every message says what came, where, and what to do, in one line. Pages show it as a
notice, the command line prints it to stderr and exits with 2; neither shows a traceback.
"""


class GleanerError(Exception):
    """Base of every error whose message is meant for the user."""


class BadInput(GleanerError):
    """A file, an option or a name that cannot be used as it came."""


class WorkspaceBusy(GleanerError):
    """Another process owns the workspace's database."""


class JobFailed(GleanerError):
    """A background job ended without its result."""
