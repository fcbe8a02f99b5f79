"""Who has which role follows from verified words of the provider alone; a mistake in the lists gives nobody one."""

import time
from typing import Any

import pytest

from core.errors import BadInput, Forbidden
from core.people import Person, Role, Roles, read_roles
from tests.signing import ROLES, claims_of


def person(**claims: Any) -> Person:
    return read_roles(ROLES).person({"iat": time.time(), "sub": "7", "email_verified": True} | claims)


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"email": "ada@example.org"}, Role.CURATOR),
        ({"email": "ADA@Example.ORG"}, Role.CURATOR),
        ({"email": "ada@example.org", "email_verified": "true"}, Role.CURATOR),
        ({"email": "ada@example.org", "email_verified": None}, None),
        ({"email": "ada@example.org", "email_verified": False}, None),
        ({"email": "ada@example.org", "email_verified": "false"}, None),
        ({"email": "bea@example.org"}, Role.ANNOTATOR),
        ({"email": "bea@sub.example.org"}, None),
        ({"email": "bea@example.org.evil.example"}, None),
        ({"email": "bea@evil.example@example.org"}, None),
        ({"email": "ada@example.org\n"}, None),
        ({"email": "ada@еxample.org"}, None),
        ({"email": ["ada@example.org"]}, None),
        ({"email": "eve@example.net"}, Role.VIEWER),
        ({"email": "x@example.com", "groups": ["data-team"]}, Role.CURATOR),
        ({"email": "x@example.com", "groups": "data-team"}, Role.CURATOR),
        ({"email": "x@example.com", "groups": ["Data-Team", "other"]}, None),
        ({"email": "x@example.com", "groups": ["viewer", "annotator"]}, Role.ANNOTATOR),
        ({"email": "eve@example.net", "groups": ["curator"]}, Role.CURATOR),
        ({"email": "x@example.com", "groups": [["curator"], 3, None]}, None),
        ({"email": "x@example.com", "roles": ["curator"]}, None),
        ({"email": "group:data-team"}, None),
        ({}, None),
    ],
)
def test_the_highest_role_that_a_list_or_the_claim_gives_counts(claims: dict, role: Role | None) -> None:
    assert person(**claims).role is role


def test_an_account_is_called_by_its_verified_email_or_by_what_nobody_can_choose() -> None:
    assert person(email="Ada@example.org", name="Eve").name == "ada@example.org"
    assert person(email="ada@example.org", email_verified=False, name="Ada\u202e\n").name == "Ada (7)"
    assert person(sub="8").name == "8"
    with pytest.raises(Forbidden, match="nor who this is"):
        person(sub="")


def test_a_sign_in_counts_for_some_hours() -> None:
    roles, begun = Roles(viewer=["eve@example.net"], hours=2), 1_000_000.0
    claims = claims_of("eve@example.net", iat=begun)
    assert roles.person(claims, begun + 7_199).role is Role.VIEWER
    with pytest.raises(Forbidden, match="sign in again"):
        roles.person(claims, begun + 7_201)
    for nothing in (None, "1000000", [begun]):
        with pytest.raises(Forbidden, match="sign in again"):
            roles.person(claims | {"iat": nothing}, begun)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({}, "gives nobody a role"),
        ({"hours": 5}, "gives nobody a role"),
        ({"curatr": ["ada@example.org"]}, "no option 'curatr'"),
        ({"curator": "ada@example.org"}, "'curator' .* valid list"),
        ({"curator": [3]}, "valid string"),
        ({"curator": ["ada"]}, "'ada' is no email"),
        ({"curator": ["*"]}, "is no email"),
        ({"curator": ["*@*"]}, "is no email"),
        ({"curator": ["ad*@example.org"]}, "is no email"),
        ({"curator": ["group:"]}, "is no email"),
        ({"curator": ["ädа@example.org"]}, "is no email"),
        ({"curator": ["group:data-team"]}, "name the claim"),
        ({"claim": ["groups"]}, "valid string"),
        ({"claim": "groups", "hours": 0}, "greater than 0"),
        ({"claim": "groups", "hours": "for ever"}, "valid number"),
    ],
)
def test_a_mistake_in_the_roles_is_told_in_one_line(section: dict, said: str) -> None:
    with pytest.raises(BadInput, match=said) as told:
        read_roles(section)
    assert "[roles] in secrets.toml" in str(told.value)
    assert "\n" not in str(told.value)
