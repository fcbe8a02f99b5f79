"""Which folders of models would run what came with them?

Each is a sound model of two layers, with one thing changed that makes the folder or file `pwned` if it is run.
"""

import json
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

from tests.attacks.files import Runs

WEIGHTS = "model.safetensors"
RUNS = "import os\nos.mkdir('pwned')\n"


def changed(folder: Path, file: str, **values: object) -> None:
    """Put other values into one of its JSON files."""
    path = folder / file
    there = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(there | values))


def pickled(name: str) -> Callable[[Path], None]:
    """Weights as a pickle that runs, under a name that PyTorch's have."""

    def change(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        (folder / name).write_bytes(pickle.dumps(Runs()))

    return change


def with_header(content: Callable[[], bytes]) -> Callable[[Path], None]:
    """Weights whose file begins like this."""
    return lambda folder: [None, (folder / WEIGHTS).write_bytes(content())][0]


def header(text: bytes, length: int | None = None) -> bytes:
    """The beginning of a safetensors file that says its header has this length."""
    return struct.pack("<Q", len(text) if length is None else length) + text


def remote_code(kind: str, *, unknown: bool) -> Callable[[Path], None]:
    """Code of its own that the configuration asks to be run."""

    def change(folder: Path) -> None:
        (folder / "evil.py").write_text(RUNS)
        names = {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M", "AutoTokenizer": ["evil.T", "evil.T"]}
        changed(folder, f"{kind}.json", auto_map=names, **({"model_type": "evil"} if unknown else {}))

    return change


def adapter(folder: Path) -> None:
    """A LoRA adapter whose weights are a pickle."""
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "target_modules": ["q_proj"]}))
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Runs()))


def template(text: str) -> Callable[[Path], None]:
    """A chat template."""

    def change(folder: Path) -> None:
        (folder / "chat_template.jinja").write_text(text)
        changed(folder, "tokenizer_config.json", chat_template=text)

    return change


LOADED: dict[str, Callable[[Path], None]] = {
    "a pickle as pytorch_model.bin": pickled("pytorch_model.bin"),
    "a pickle as model.safetensors": pickled(WEIGHTS),
    "a pickle as model.pt": pickled("model.pt"),
    "a pickle as model.ckpt.index": pickled("model.ckpt.index"),
    "a pickle as consolidated.pth": pickled("consolidated.00.pth"),
    "a list of pickles": lambda folder: [
        pickled("x.bin")(folder),
        changed(folder, "pytorch_model.bin.index.json", weight_map={"lm_head.weight": "x.bin"}, metadata={}),
    ][0],
    "a list that leads out": lambda folder: [
        (folder / WEIGHTS).unlink(),
        changed(folder, WEIGHTS + ".index.json", weight_map={"lm_head.weight": "../../../../etc/passwd"}, metadata={}),
    ][0],
    "a header of nine exabytes": with_header(lambda: header(b"{}", (1 << 63) - 1)),
    "a header longer than its file": with_header(lambda: header(b"{}", 1 << 26)),
    "a header that is no JSON": with_header(lambda: header(b"[" * 100_000)),
    "a tensor beyond its file": with_header(
        lambda: header(b'{"lm_head.weight":{"dtype":"F32","shape":[1073741824],"data_offsets":[0,4294967296]}}')
    ),
    "a tensor of endless shape": with_header(
        lambda: header(b'{"lm_head.weight":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}')
    ),
    "an empty file of weights": with_header(lambda: b""),
    "code for a model of its own kind": remote_code("config", unknown=True),
    "an adapter that is a pickle": adapter,
}
SHOWN: dict[str, Callable[[Path], None]] = {
    "code for a tokenizer": remote_code("tokenizer_config", unknown=False),
    "code for a known kind of model": remote_code("config", unknown=False),
    "a vocabulary that is no JSON": lambda folder: [None, (folder / "tokenizer.json").write_text("[" * 100_000)][0],
    **{
        f"a template: {text[:60]}": template(text)
        for text in (
            "{{ ''.__class__.__mro__[1].__subclasses__() }}",
            "{{ cycler.__init__.__globals__.os.mkdir('pwned') }}",
            "{{ lipsum.__globals__['os'].mkdir('pwned') }}",
            "{{ self.__init__.__globals__ }}",
            "{{ messages.__class__.__base__ }}",
            "{{ ''|attr('__class__') }}",
            "{{ raise_exception.__globals__ }}",
            "{{ '{0.__class__.__init__.__globals__}'.format(raise_exception) }}",
            "{% include '/etc/passwd' %}",
            "{% import 'os' as os %}{{ os.mkdir('pwned') }}",
            "{% for i in range(10**9) %}x{% endfor %}",
            "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
            "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
            "{{ 'a' * 10**10 }}",
            "{{ 'a'|center(10**10) }}",
            "{{ '%10000000000d' % 1 }}",
            "{{ 10**(10**9) }}",
            "{% set n = namespace(x=9) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}",
            "{% set n = namespace(x='a' * 999) %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
            "<script>window.__pwned=1</script>{{ messages }}",
        )
    },
}
FOLDERS = ("/etc", "/", "{outside}", "{root}/linked", "{root}/../outside", "/proc/self/cwd", "{root}/model-with-a-link")
HOLDS = "refused in one line, and none of it is run"
CASES = [
    *(("a model's folder, as its weights are loaded", name, HOLDS) for name in LOADED),
    *(("a model's folder, typed on the Rendering page", name, HOLDS) for name in SHOWN),
    *(("the place of a model, typed on the Rendering page", name, "refused: outside the folders") for name in FOLDERS),
]


def lay_model(sound: Path, folder: Path, change: Callable[[Path], object]) -> Path:
    """A copy of a sound model with this change."""
    shutil.copytree(sound, folder)
    change(folder)
    return folder
