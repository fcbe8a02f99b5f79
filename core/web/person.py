"""Who sits here? An account, where people have to sign in; otherwise a name that the browser remembers."""

import streamlit as st

from core.errors import GleanerError
from core.people import Role
from core.web.notices import escape_markdown
from core.web.session import LONGEST_PERSON, PERSON, PERSON_COOKIE, current_account, known_person
from core.web.signing_in import home_elsewhere, must_sign_in, providers, roles, sign_out

REMEMBER = """
export default function remember({ data }) {
  document.cookie = `${data.cookie}=${encodeURIComponent(data.name)}; path=/; max-age=31536000; samesite=strict`;
}
"""

# A provider leads back to the first page: who came by a link is led on to where it says, within this server alone.
LEAD_ON = """
const KEY = "gleaner.link";
export default function leadOn({ data }) {
  const here = location.pathname + location.search;
  if (!data.isIn) {
    sessionStorage.setItem(KEY, here);
    return;
  }
  const link = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  if (link && link !== here && link !== "/" && link.startsWith("/") && !link.startsWith("//")) location.replace(link);
}
"""

_remember = st.components.v2.component("gleaner_person", html="<span hidden></span>", js=REMEMBER)
_lead_on = st.components.v2.component("gleaner_link", html="<span hidden></span>", js=LEAD_ON)


def is_in() -> bool:
    """Whether this session may see anything."""
    try:
        return current_account().may(Role.VIEWER)
    except GleanerError:
        return False


def show_door() -> None:
    """What somebody sees who is not in: the way in, or why there is none for them."""
    try:
        person = current_account()
    except GleanerError as error:
        st.title("Sign in", anchor=False)
        _lead_on(key="person.link", data={"isIn": False}, height=1)
        if st.user.get("is_logged_in"):
            st.warning(escape_markdown(str(error)))
        _offer_sign_in()
        return
    st.title("No role here", anchor=False)
    ask = roles().ask or "whoever runs this server"
    st.warning(escape_markdown(f"You are signed in as {person.name}. Ask {ask} for a role."))
    st.button("Sign out", on_click=sign_out)


def show_person() -> None:
    """Whose decisions and judgements these are."""
    if not must_sign_in():
        _ask_name()
        return
    person = current_account()
    _lead_on(key="person.link", data={"isIn": True}, height=1)
    st.text(f"{person.name}, {person.role}")
    st.button("Sign out", on_click=sign_out, width="stretch")


def _offer_sign_in() -> None:
    try:
        elsewhere, offered = home_elsewhere(), providers()
    except GleanerError as error:
        st.error(escape_markdown(str(error)))
        return
    if elsewhere:
        st.write(f"Sign in at {elsewhere}.")
        return
    st.write("Sign in to see the datasets.")
    for provider in offered:
        label = escape_markdown(f"Sign in with {provider}") if provider else "Sign in"
        st.button(label, key=f"sign_in.{provider}", type="primary", on_click=st.login, args=[provider or None])


def _ask_name() -> None:
    name = st.text_input(
        "You are",
        value=None if PERSON in st.session_state else known_person(),
        key=PERSON,
        max_chars=LONGEST_PERSON,
        persist_state="session",
        help="Stands beside the pins, bans, notes and judgements that you make.",
    )
    _remember(key="person.remembered", data={"name": (name or "").strip(), "cookie": PERSON_COOKIE}, height=1)
