"""What is a dataset like, in figures: its lengths, turns, columns, scripts and duplicates?

Every question is one pass or two over the dataset, in memory that does not grow with it: lengths come
as counts by length, columns and scripts from an even sample, and what has to be grouped by its content
is grouped by 64-bit hashes, at most about two million at a time.
"""

from dataclasses import dataclass
from typing import Any

from core.reports import ColumnFacts, Conversations, Duplicates
from core.store.asking import among
from core.store.database import Database

SAMPLED, MILLION = 100_000, 1_000_000
GROUPED = 2_000_000
MOST_COLUMNS, MOST_VALUES, LONGEST_VALUE = 50, 60, 120
SCRIPT_CHARACTERS, SHORT = 200, 3
TYPES = {
    "VARCHAR": "text",
    "UBIGINT": "number",
    "BIGINT": "number",
    "HUGEINT": "number",
    "UHUGEINT": "number",
    "DOUBLE": "number",
    "DECIMAL": "number",
    "BOOLEAN": "true or false",
    "ARRAY": "list",
    "OBJECT": "object",
}
HAN, KANA = r"\p{Han}", r"\p{Hiragana}\p{Katakana}"
SCRIPTS = {
    "Latin": r"\p{Latin}",
    "Han": HAN,
    "Kana": KANA,
    "Hangul": r"\p{Hangul}",
    "Cyrillic": r"\p{Cyrillic}",
    "Greek": r"\p{Greek}",
    "Arabic": r"\p{Arabic}",
    "Hebrew": r"\p{Hebrew}",
    "Devanagari": r"\p{Devanagari}",
    "Bengali": r"\p{Bengali}",
    "Tamil": r"\p{Tamil}",
    "Thai": r"\p{Thai}",
}
OTHER, NONE = "Other", "No letters"
IN_SAMPLE = "dataset = ? AND hash(row_number) % 1000000 < ?"
CALLS_TOOLS = "coalesce(contains(messages, '\"tool_calls\"'), FALSE)"
PLAIN_TURNS = 2
TURNS_QUERY = f"""
    SELECT count(*), count(*) FILTER (len(list_filter(roles, lambda role: role = 'user')) > 1),
           count(*) FILTER (list_contains(roles, 'system')),
           count(*) FILTER (tools IS NOT NULL OR called OR list_contains(roles, 'tool')),
           coalesce(max(coalesce(len(roles), {PLAIN_TURNS})), 0)
    FROM (SELECT json_extract_string(messages, '$[*].role') AS roles, {CALLS_TOOLS} AS called, tools
          FROM examples WHERE dataset = ?)
"""  # noqa: S608
COLUMNS_QUERY = f"""
    SELECT key, count(*) OVER ()
    FROM (SELECT row_number, unnest(json_keys(original)) AS key,
                 generate_subscripts(json_keys(original), 1) AS place
          FROM examples WHERE {IN_SAMPLE})
    WHERE key <> '' GROUP BY key ORDER BY min((row_number, place)) LIMIT {MOST_COLUMNS}
"""  # noqa: S608
FACTS_QUERY = f"""
    SELECT place, count(*) FILTER (filled), count(*) FILTER (value IS NULL), count(*) FILTER (value = 'null'),
           count(*) FILTER (NOT filled AND value <> 'null'),
           histogram(json_type(value)) FILTER (value <> 'null'), count(DISTINCT hash(value)) FILTER (filled)
    FROM (SELECT *, coalesce(value NOT IN ('null', '""', '[]', '{{}}'), FALSE) AS filled
          FROM (SELECT generate_subscripts(?::VARCHAR[], 1) AS place,
                       unnest(json_extract(original, ?::VARCHAR[])) AS value
                FROM examples WHERE {IN_SAMPLE}))
    GROUP BY place ORDER BY place
"""  # noqa: S608
VALUES_QUERY = f"""
    SELECT place, left(value, {LONGEST_VALUE}), count(*)
    FROM (SELECT unnest(?::INT[]) AS place, unnest(json_extract_string(original, ?::VARCHAR[])) AS value
          FROM examples WHERE {IN_SAMPLE})
    WHERE value NOT IN ('', '[]', '{{}}') GROUP BY ALL ORDER BY 1, 3 DESC, 2
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Sample:
    """Which examples of a dataset are looked into: all, or about a hundred thousand, drawn evenly."""

    dataset: str
    per_million: int

    @property
    def values(self) -> list[Any]:
        """What `IN_SAMPLE` asks for."""
        return [self.dataset, self.per_million]


def even_sample(dataset: str, examples: int) -> Sample:
    """All examples of a dataset, or an even sample of one that has more than `SAMPLED`."""
    return Sample(dataset, MILLION if examples <= SAMPLED else MILLION * SAMPLED // examples)


class Overview:
    """Figures of whole datasets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def conversations(self, name: str) -> Conversations:
        """Turns, system messages and tools. Where `messages` is null there are one question and its answer."""
        return Conversations(*self._one(TURNS_QUERY, [name]))

    def lengths(self, name: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Of prompts and of responses: each length in characters with its count, shortest first."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                "SELECT p, r, n FROM (SELECT length(prompt) AS p, length(response) AS r, count(*) AS n, "
                "grouping(p) AS of_response FROM examples WHERE dataset = ? GROUP BY GROUPING SETS ((p), (r))) "
                "ORDER BY of_response, p, r",
                [name],
            ).fetchall()
        return [(p, n) for p, r, n in rows if r is None], [(r, n) for p, r, n in rows if p is None]

    def empty_fields(self, name: str) -> tuple[int, int]:
        """Blank prompts, and responses of fewer than three characters that call no tool."""
        empty, short = self._one(
            "SELECT count(*) FILTER (trim(prompt) = ''), "  # noqa: S608
            f"count(*) FILTER (length(trim(response)) < {SHORT} AND NOT {CALLS_TOOLS}) FROM examples WHERE dataset = ?",
            [name],
        )
        return empty, short

    def duplicates(self, name: str, examples: int) -> Duplicates:
        """Rows, conversations, prompts and responses that occur more than once."""
        exact, groups, largest = self._one(
            "SELECT count(copy), count(*) FILTER (copy = 2), coalesce(max(copy), 1) FROM (SELECT "
            "try_cast(split_part(example_id, '-', 2) AS BIGINT) AS copy FROM examples WHERE dataset = ?)",
            [name],
        )
        again = self._by_parts("prompt, response, messages, tools", "TRUE", "count(*) > 1", name, examples)
        differing = "min(hash({0})) <> max(hash({0}))"
        prompts = self._by_parts("prompt", "trim(prompt) <> ''", differing.format("response"), name, examples)
        responses = self._by_parts("response", "trim(response) <> ''", differing.format("prompt"), name, examples)
        return Duplicates(exact, groups, largest, again[1] - again[0], *prompts, *responses)

    def sampled(self, sample: Sample) -> int:
        """How many examples an even sample has."""
        return int(self._one(f"SELECT count(*) FROM examples WHERE {IN_SAMPLE}", sample.values)[0])  # noqa: S608

    def scripts(self, sample: Sample) -> list[tuple[str, int]]:
        """The writing systems of the responses, by the most frequent letters of each; the most frequent first.

        Where kana are a tenth of a text's Han or more, its Han count as kana: it is Japanese.
        """
        with self._database.reading() as cursor:
            rows = cursor.execute(
                f"SELECT {_script_of('text')} AS script, count(*) FROM (SELECT left(response, {SCRIPT_CHARACTERS}) "  # noqa: S608
                f"AS text FROM examples WHERE {IN_SAMPLE}) GROUP BY 1 ORDER BY 2 DESC, 1",
                sample.values,
            ).fetchall()
        return [(script, count) for script, count in rows]

    def columns(self, sample: Sample) -> tuple[list[ColumnFacts], int]:
        """The columns of the rows as they came, in the order in which they first occur; and how many there are,
        which is more where there are more than `MOST_COLUMNS`."""
        with self._database.reading() as cursor:
            keys = cursor.execute(COLUMNS_QUERY, sample.values).fetchall()
            paths = ["/" + key.replace("~", "~0").replace("/", "~1") for key, _ in keys]
            facts = cursor.execute(FACTS_QUERY, [paths, paths, *sample.values]).fetchall()
        few = [place for place, filled, *_, distinct in facts if 2 <= distinct <= min(MOST_VALUES, filled // 2)]
        values = self._values(sample, {place: paths[place - 1] for place in few})
        found = [_column(keys[place - 1][0], rest, values.get(place, [])) for place, *rest in facts]
        return found, keys[0][1] if keys else 0

    def counted_tokens(self, run: str) -> tuple[int, int]:
        """Prompt and response tokens that a run's base pass counted."""
        prompt, response = self._one(
            "SELECT coalesce(sum(prompt_tokens), 0), coalesce(sum(response_tokens), 0) FROM scores "
            "WHERE run = ? AND pass = 'base'",
            [run],
        )
        return int(prompt), int(response)

    def excerpts(self, name: str, rows: list[int], characters: int) -> list[tuple[str, str]]:
        """The beginnings of prompt and response of these rows."""
        condition, values = among("row_number", rows)
        with self._database.reading() as cursor:
            found = cursor.execute(
                "SELECT left(prompt, ?), left(response, ?) FROM examples WHERE dataset = ? "  # noqa: S608
                f"AND {condition}",
                [characters, characters, name, *values],
            ).fetchall()
        return [(prompt, response) for prompt, response in found]

    def _values(self, sample: Sample, paths: dict[int, str]) -> dict[int, list[tuple[str, int]]]:
        """The values of these columns by their place, the most frequent first."""
        found: dict[int, list[tuple[str, int]]] = {place: [] for place in paths}
        with self._database.reading() as cursor:
            rows = cursor.execute(VALUES_QUERY, [list(paths), list(paths.values()), *sample.values]).fetchall()
        for place, value, count in rows:
            found[place].append((value, count))
        return found

    def _by_parts(self, key: str, condition: str, having: str, name: str, examples: int) -> tuple[int, int]:
        """How many groups of one `key` there are, and their examples; grouped a part of the keys at a time."""
        parts = -(-max(1, examples) // GROUPED)
        query = (
            f"SELECT count(*), coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM examples WHERE dataset = ? "  # noqa: S608
            f"AND {condition} AND hash({key}) % ? = ? GROUP BY hash({key}) HAVING {having})"
        )
        counted = [self._one(query, [name, parts, part]) for part in range(parts)]
        return sum(int(groups) for groups, _ in counted), sum(int(members) for _, members in counted)

    def _one(self, query: str, values: list[Any]) -> tuple[Any, ...]:
        with self._database.reading() as cursor:
            return tuple(cursor.execute(query, values).fetchall()[0])


def _column(name: str, counts: list[Any], values: list[tuple[str, int]]) -> ColumnFacts:
    filled, missing, null, empty, types, distinct = counts
    words = sorted(types or {}, key=lambda kind: -types[kind])
    return ColumnFacts(
        name,
        filled,
        missing,
        null,
        empty,
        list(dict.fromkeys(TYPES.get(kind, kind.lower()) for kind in words)),
        distinct,
        values,
    )


def _script_of(text: str) -> str:
    """SQL for the name of the script that most letters of a text have; plain ASCII is settled without counting."""

    def letters(of: str) -> str:
        return f"length(regexp_replace({text}, '[^{of}]+', '', 'g'))"

    counts = {name: letters(of) for name, of in SCRIPTS.items()}
    counts["Kana"] = f"CASE WHEN 10 * {letters(KANA)} >= {letters(HAN)} THEN {letters(KANA + HAN)} ELSE 0 END"
    counts[OTHER] = f"length(regexp_replace({text}, '[\\P{{L}}{''.join(SCRIPTS.values())}]+', '', 'g'))"
    names, numbers = ", ".join(f"'{name}'" for name in counts), ", ".join(counts.values())
    most = f"list_position([{numbers}], list_max([{numbers}]))"
    return (
        f"CASE WHEN NOT regexp_matches({text}, '\\p{{L}}') THEN '{NONE}' "
        f"WHEN strlen({text}) = length({text}) THEN 'Latin' ELSE [{names}][{most}] END"
    )
