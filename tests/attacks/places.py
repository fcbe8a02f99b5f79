"""Which paths, addresses and names of files would lead out of where data may come from?

`{root}` is the only folder that is allowed, `{outside}` one beside it with a secret in it; `lay_traps` puts links and
lists into the root that lead there.
"""

import json
import os
from pathlib import Path

SECRET = "the-secret-that-lies-outside"
REFUSED = "one line says no; nothing of the file outside is shown, nothing is run"
SOURCES = (
    "{outside}/secret.jsonl",
    "{root}/../outside/secret.jsonl",
    "{root}/./x/../../outside/secret.jsonl",
    "{root}/link.jsonl",
    "{root}/linked",
    "{root}/linked/secret.jsonl",
    "{root}/linked/../outside/secret.jsonl",
    "{root}/loop.jsonl",
    "{root}/dangling.jsonl",
    "{root}/folder",
    "{root}/saved",
    "{root}/splits",
    "{root}/chained",
    "{root}/pipe.jsonl",
    "file://{outside}/secret.jsonl",
    "FILE://{outside}/secret.jsonl",
    "file:{outside}/secret.jsonl",
    "zip://secret.jsonl::file://{outside}/secret.zip",
    "simplecache::file://{outside}/secret.jsonl",
    "/etc/passwd",
    "/etc/shadow",
    "//etc/passwd",
    "/",
    "..",
    "../..",
    "~",
    "~root/.bashrc",
    "~nobody/x.jsonl",
    "/proc/self/environ",
    "/proc/self/maps",
    "/proc/1/root{outside}/secret.jsonl",
    "/proc/self/root{outside}/secret.jsonl",
    "/dev/zero",
    "/dev/stdin",
    "/dev/fd/0",
    "{root}/inside.jsonl\0.png",
    "{root}/%2e%2e/outside/secret.jsonl",
    "{root}/..%2foutside/secret.jsonl",
    "{root}/..%252foutside/secret.jsonl",
    "{root}/..\\outside\\secret.jsonl",
    "\\\\evil.example\\share\\x.jsonl",
    "//evil.example/share/x.jsonl",
    "C:\\Windows\\win.ini",
    "{root}/*.jsonl",
    "{root}/**/secret.jsonl",
    "{root}/[a-z]*.jsonl",
    "$(touch {root}/pwned)",
    "`touch {root}/pwned`",
    "| touch {root}/pwned",
    "; touch {root}/pwned",
    "{root}/" + "a" * 300,
    "{root}/" + "../" * 500 + "etc/passwd",
    "evil/../../secret",
    "../outside",
    "./../outside/secret.jsonl",
    "s3://evil.example/x.jsonl",
    "hf://datasets/evil/x/train.jsonl",
    "ftp://evil.example/x.jsonl",
    "gopher://127.0.0.1:25/x",
    "http://127.0.0.1:{port}/_stcore/health",
    "http://localhost:{port}/_stcore/health",
    "http://[::1]:{port}/_stcore/health",
    "http://0:{port}/_stcore/health",
    "http://0x7f000001:{port}/_stcore/health",
    "http://2130706433:{port}/_stcore/health",
    "http://127.1:{port}/_stcore/health",
    "http://[::ffff:127.0.0.1]:{port}/_stcore/health",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://user:pass@127.0.0.1:{port}/_stcore/health",
    "http://evil.example\\@127.0.0.1:{port}/_stcore/health",
    "http://127.0.0.1:{port}/_stcore/health\r\nX-Evil: 1",
    "HTTP://127.0.0.1:{port}/_stcore/health",
)
STAYS_INSIDE = "the file lies in a folder of its own below the workspace's sources, or is refused; nothing else changes"
UPLOADS = (
    "../../up.jsonl",
    "..%2f..%2fup.jsonl",
    "/etc/cron.d/up.jsonl",
    "..\\..\\up.jsonl",
    "C:\\up.jsonl",
    ".jsonl",
    "..jsonl",
    "..",
    ".",
    "",
    ".bashrc.jsonl",
    "-rf.jsonl",
    "a\0b.jsonl",
    "a\nb.jsonl",
    "x" * 300 + ".jsonl",
    "ü" * 200 + ".jsonl",
    "\u202elnosj.exe.jsonl",
    "up.jsonl/..",
    "up.jsonl/../../../up.jsonl",
    "curation.duckdb",
    "evil.pkl",
    "up.jsonl.exe",
    "<img src=x onerror=alert(1)>.jsonl",
    "$(touch pwned).jsonl",
)
UPLOAD_IDS = ("..", ".", "..%2f..%2fx", "%2e%2e", "a%00b", "x" * 5000)
CASES = [
    *(("a source typed on the Dataset page", path, REFUSED) for path in SOURCES),
    *(("the name of an uploaded file", name, STAYS_INSIDE) for name in UPLOADS),
    *(("the id of an uploaded file, in the address it is sent to", name, STAYS_INSIDE) for name in UPLOAD_IDS),
    ("a link that is turned after it was looked at", "{root}/turned.jsonl", "what was looked at is what is read"),
]


def lay_traps(folder: Path) -> tuple[Path, Path]:
    """The root and the folder outside, with everything in them that the paths speak of."""
    root, outside = folder / "root", folder / "outside"
    for path in (root / "x", root / "folder", outside):
        path.mkdir(parents=True)
    row = json.dumps({"prompt": SECRET, "completion": SECRET}) + "\n"
    (outside / "secret.jsonl").write_text(row)
    (root / "inside.jsonl").write_text('{"prompt": "inside", "completion": "inside"}\n')
    (root / "folder" / "secret.jsonl").symlink_to(outside / "secret.jsonl")
    (root / "link.jsonl").symlink_to(outside / "secret.jsonl")
    (root / "linked").symlink_to(outside, target_is_directory=True)
    (root / "loop.jsonl").symlink_to(root / "loop.jsonl")
    (root / "dangling.jsonl").symlink_to(outside / "not-there.jsonl")
    os.mkfifo(root / "pipe.jsonl")
    _save_datasets(root, outside)
    return root, outside


def _save_datasets(root: Path, outside: Path) -> None:
    """Datasets saved by the library: one outside, and three in the root whose own lists name it."""
    from datasets import Dataset, DatasetDict

    row = {"prompt": [SECRET], "completion": [SECRET]}
    Dataset.from_dict(row).save_to_disk(outside / "saved")
    Dataset.from_dict(row).save_to_disk(root / "saved")
    (root / "saved" / "data-00000-of-00001.arrow").unlink()
    _rewrite(
        root / "saved" / "state.json", "_data_files", [{"filename": "../../outside/saved/data-00000-of-00001.arrow"}]
    )
    for name, split in (("splits", "../../outside/saved"), ("chained", "x::file://" + str(outside / "saved"))):
        DatasetDict({"train": Dataset.from_dict({"prompt": ["a"], "completion": ["b"]})}).save_to_disk(root / name)
        _rewrite(root / name / "dataset_dict.json", "splits", [split])


def _rewrite(path: Path, key: str, value: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
