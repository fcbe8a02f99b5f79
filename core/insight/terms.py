"""Which terms does a text have? In any language, by its script alone, without a list of stop words.

Scripts that put spaces between words give words; those that do not (Han, Kana, Thai, Lao, Khmer, Burmese) give pairs
and triples of characters, since only a dictionary could tell their words apart. What is too common to tell anything
is left to whoever counts: it shows in the share of texts that have it.
"""

import regex  # type: ignore[import-untyped]

LONGEST_WORD = 30
_SCRIPTS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_STARTS_UNSPACED = regex.compile(rf"[{_SCRIPTS}]")
_RUN = regex.compile(
    rf"(?V1)(?:[{_SCRIPTS}]\p{{M}}*)+|\p{{L}}[[\p{{L}}\p{{M}}\p{{N}}]--[{_SCRIPTS}]]*+(?:['’]\p{{L}}+)*"
)


def terms_of(text: str) -> list[str]:
    """The terms of a text in lower case, in order, with repeats."""
    found = []
    for run in _RUN.findall(text.lower()):
        if _STARTS_UNSPACED.match(run):
            found += _character_groups(run)
        elif 2 <= len(run) <= LONGEST_WORD:
            found.append(run)
    return found


def _character_groups(run: str) -> list[str]:
    """Pairs and triples of what a reader takes for one character, marks above and below included."""
    characters = regex.findall(r"\X", run)
    return ["".join(characters[start : start + size]) for size in (2, 3) for start in range(len(characters) - size + 1)]


def drop_overlapping(terms: list[str], most: int) -> list[str]:
    """The first `most` terms that neither hold nor lie in one that was taken before, such as `cat` and `cats`."""
    taken: list[str] = []
    for term in terms:
        if len(taken) == most:
            break
        if not any(term in other or other in term for other in taken):
            taken.append(term)
    return taken
