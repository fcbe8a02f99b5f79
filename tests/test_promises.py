"""What the code never does, whatever it is given."""

import ast
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from core.errors import BadInput
from core.store.database import Database
from tests.conftest import ROOT

CODE = [ROOT / "app.py", *sorted((ROOT / "core").rglob("*.py")), *sorted((ROOT / "pages").rglob("*.py"))]
RUNS_ITS_INPUT = {
    "torch.load", "pickle.load", "pickle.loads", "dill.load", "dill.loads", "cloudpickle.load", "cloudpickle.loads",
    "joblib.load", "marshal.load", "marshal.loads", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "pd.read_pickle",
    "eval", "exec", "os.system", "os.popen", "builtins.eval", "shelve.open",
}  # fmt: skip
OF_NUMBERS = ("core/web/example/lens/__init__.py", "core/web/example/ranked.py")
"""The lens's legend and the table of scores: words of ours, and formatted numbers."""

READS_WEIGHTS = {"AutoModelForCausalLM", "AutoModel"}


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Every call in the code: its place, the call, and what is called as it is written."""
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node, ast.unparse(node.func)


def test_nothing_runs_what_it_reads() -> None:
    assert not [(place, name) for place, _, name in calls() if name in RUNS_ITS_INPUT]


def test_no_command_goes_through_a_shell() -> None:
    assert not [
        place for place, call, _ in calls() for word in call.keywords
        if word.arg == "shell" and ast.unparse(word.value) != "False"
    ]  # fmt: skip


def test_arrays_are_read_without_pickles() -> None:
    reads = [(place, call) for place, call, name in calls() if name in ("np.load", "numpy.load")]
    assert reads
    for place, call in reads:
        said = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert said.get("allow_pickle") == "False", place


def test_models_are_read_without_their_code_and_without_pickles() -> None:
    reads = [(place, call, name) for place, call, name in calls() if name.endswith(".from_pretrained")]
    assert len(reads) > 4
    for place, call, name in reads:
        words = ast.unparse(call)
        if "gguf_file" in words or "Peft" in name:
            continue  # the wheel's own file; an adapter's weights are looked for as safetensors before
        wanted = "SAFE_WEIGHTS" if name.split(".")[0] in READS_WEIGHTS else "NO_CODE"
        assert f"**{wanted}" in words, place
    assert "trust_remote_code=True" not in "".join(path.read_text(encoding="utf-8") for path in CODE)


def test_no_page_lets_html_or_scripts_through() -> None:
    for place, call, name in calls():
        said = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert said.get("unsafe_allow_html", "False") == "False", place
        assert "unsafe_allow_javascript" not in said, place
        if name == "st.html" and not place.startswith(OF_NUMBERS):
            assert ast.unparse(call.args[0]).startswith("ASSETS"), place


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "COPY (SELECT 1) TO '{folder}/pwned.csv'",
        "ATTACH '{folder}/pwned.duckdb' AS other",
        "EXPORT DATABASE '{folder}/pwned'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_parquet('https://evil.example/x.parquet')",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET memory_limit = '1TB'",
        "SET temp_directory = '/'",
        "RESET enable_external_access",
        "SET autoinstall_known_extensions = true",
        "SET allowed_directories = ['/']",
        "CREATE SECRET x (TYPE s3)",
    ],
)
def test_the_database_reads_and_writes_nothing_but_itself(statement: str, tmp_path: Path) -> None:
    database = Database(tmp_path / "workspace" / "curation.duckdb", "a test")
    try:
        with pytest.raises(duckdb.Error), database.reading() as cursor:
            cursor.execute(statement.format(folder=tmp_path)).fetchall()
    finally:
        database.close()
    assert not list(tmp_path.glob("pwned*"))


def test_a_bad_file_is_named_in_one_line_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "workspace" / "curation.duckdb"
    path.parent.mkdir()
    path.write_bytes(b"secret words of a dataset " * 1000)
    with pytest.raises(BadInput) as refused:
        Database(path, "a test")
    assert "secret words" not in str(refused.value)
    assert "\n" not in str(refused.value)
