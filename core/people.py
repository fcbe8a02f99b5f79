"""Who may do what? Three roles, one above the other, and who has which by the word of a sign-in provider.

A viewer reads. An annotator also pins, bans, notes, judges and undoes. A curator may do everything. Where nobody has
to sign in, whoever sits at the machine is its curator.
"""

import getpass
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from core.errors import BadInput, Forbidden
from core.settings import Settings

EMAIL = re.compile(r"[!-?A-~]+@[!-?A-~]+")
GROUP, ANYBODY_AT = "group:", "*@"
LONGEST_NAME = 80


class Role(IntEnum):
    """A higher one may do all that a lower one may."""

    VIEWER = 1
    ANNOTATOR = 2
    CURATOR = 3

    def __str__(self) -> str:
        return self.name.lower()

    @property
    def called(self) -> str:
        """`a viewer`, `an annotator`."""
        return f"{'an' if self is Role.ANNOTATOR else 'a'} {self}"


@dataclass(frozen=True, slots=True)
class Person:
    """Whose name stands on a decision, and what they may do: nothing without a role. An account's name is the
    provider's word, and nobody can sign by another."""

    name: str
    role: Role | None
    is_account: bool = False

    def may(self, role: Role) -> bool:
        """Whether they have this role, or a higher one."""
        return self.role is not None and self.role >= role

    def insist(self, role: Role, to: str) -> None:
        """Raises Forbidden, saying who wanted `to` do what, for somebody who has not this role."""
        if not self.may(role):
            now = f"is {self.role.called}" if self.role else "has no role"
            raise Forbidden(f"{self.name} {now} here; to {to} takes {role.called}.")


def local_person(name: str = "") -> Person:
    """Whoever sits at this machine, by the name that they give or their account's."""
    return Person(name.strip() or _account_name(), Role.CURATOR)


def _account_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "local"


class Roles(Settings):
    """Who has which role: for each a list of emails (`ada@example.org`, `*@example.org`) and groups
    (`group:data-team`), and the `claim` that says in which groups somebody is; its values viewer, annotator and
    curator are roles themselves. Of several roles the highest counts."""

    claim: str | None = Field(None, min_length=1)
    curator: list[str] = Field(default_factory=list)
    annotator: list[str] = Field(default_factory=list)
    viewer: list[str] = Field(default_factory=list)
    hours: float = Field(12.0, gt=0, le=720, description="How long a sign-in counts.")
    ask: str = Field("", max_length=200, description="Whom to ask for a role.")

    @field_validator("curator", "annotator", "viewer")
    @classmethod
    def _are_people(cls, listed: list[str]) -> list[str]:
        for entry in listed:
            is_group = entry.startswith(GROUP) and entry != GROUP
            if not is_group and not (EMAIL.fullmatch(entry) and "*" not in entry.removeprefix(ANYBODY_AT)):
                raise PydanticCustomError(
                    "nobody", "{entry} is no email, *@domain or group:name", {"entry": repr(entry)}
                )
        return listed

    def person(self, claims: Mapping[str, Any], now: float | None = None) -> Person:
        """Who a provider's claims are about, and their role. Raises Forbidden for a sign-in that counts no more."""
        begun = claims.get("iat")
        if not isinstance(begun, int | float) or (now or time.time()) - begun > self.hours * 3600:
            raise Forbidden("This sign-in has ended; sign in again.")
        email = verified_email(claims)
        groups = self._groups(claims)
        held = [role for role in Role if str(role) in groups or self._lists(role, email, groups)]
        return Person(email or _name_without_email(claims), max(held, default=None), is_account=True)

    def _lists(self, role: Role, email: str, groups: set[str]) -> bool:
        listed: list[str] = getattr(self, str(role))
        names = {entry.lower() for entry in listed if not entry.startswith(GROUP)}
        is_named = bool(email) and (email in names or ANYBODY_AT + email.partition("@")[2] in names)
        return is_named or any(entry.removeprefix(GROUP) in groups for entry in listed if entry.startswith(GROUP))

    def _groups(self, claims: Mapping[str, Any]) -> set[str]:
        found = claims.get(self.claim) if self.claim else None
        return {of for of in (found if isinstance(found, list) else [found]) if isinstance(of, str)}


def verified_email(claims: Mapping[str, Any]) -> str:
    """The email in small letters; none where the provider does not say that it saw that it is theirs, and where it
    has letters beyond ASCII, of which many look alike."""
    email, is_theirs = claims.get("email"), str(claims.get("email_verified")).lower() == "true"
    return email.lower() if is_theirs and isinstance(email, str) and EMAIL.fullmatch(email) else ""


def _name_without_email(claims: Mapping[str, Any]) -> str:
    """The provider's number of the account, with the name that anybody may give themselves before it."""
    subject = str(claims.get("sub") or "")
    if not subject:
        raise Forbidden("The sign-in provider said neither a verified email nor who this is (sub).")
    given = "".join(letter for letter in str(claims.get("name") or "") if letter.isprintable())[:LONGEST_NAME].strip()
    return f"{given} ({subject})" if given else subject


def read_roles(section: Mapping[str, Any]) -> Roles:
    """The section `[roles]`. Raises BadInput for a mistake in it."""
    try:
        roles = Roles.checked(**section)
    except BadInput as error:
        raise BadInput(f"[roles] in secrets.toml: {error}") from None
    listed = [*roles.curator, *roles.annotator, *roles.viewer]
    if roles.claim is None and not listed:
        raise BadInput("[roles] in secrets.toml gives nobody a role: list emails, or name the claim that has groups.")
    if roles.claim is None and any(entry.startswith(GROUP) for entry in listed):
        raise BadInput("[roles] in secrets.toml lists groups; name the claim that has them, such as claim = 'groups'.")
    return roles
