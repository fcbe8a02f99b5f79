"""Nothing that came with a model is run."""

from pathlib import Path

import pytest

from core.errors import BadInput
from core.scoring.models import attach_adapter, is_adapter, load_model
from core.settings import ScoringSettings
from tests.attacks.conftest import Target
from tests.attacks.models import FOLDERS, LOADED, SHOWN, lay_model
from tests.attacks.places import SECRET
from tests.conftest import ROOT

REFUSED = ("cannot be loaded", "the chat template failed", "Not scored")
HARMLESS = ("code for", "a template: <script>")


@pytest.mark.parametrize("name", LOADED)
def test_weights_are_refused_and_not_run(
    name: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = lay_model(tiny_model, tmp_path / "model", LOADED[name])
    settings = ScoringSettings(model=str(folder), device="cpu", compile="never")
    with pytest.raises(BadInput):
        if is_adapter(folder):
            attach_adapter(load_model(settings.model_copy(update={"model": str(tiny_model)}), tmp_path), folder)
        else:
            load_model(settings, tmp_path)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", SHOWN)
def test_a_tokenizers_own_code_is_not_run(name: str, tiny_model: Path, target: Target) -> None:
    folder = lay_model(tiny_model, target.root / f"model-{list(SHOWN).index(name)}", SHOWN[name])
    with target.session() as session:
        session.open("render", **target.world.address, row="0").fill("Model", str(folder))
        assert not session.crashes()
        said = session.alerts() + str(session.everything())
        assert "root:x:" not in said
        if not name.startswith(HARMLESS):
            assert any(words in said for words in REFUSED), session.alerts()
    assert not (ROOT / "pwned").exists()


@pytest.mark.parametrize("place", FOLDERS)
def test_a_model_outside_the_roots_is_not_read(place: str, tiny_model: Path, target: Target) -> None:
    with_link = target.root / "model-with-a-link"
    if not with_link.exists():
        lay_model(
            tiny_model, with_link, lambda folder: (folder / "notes.txt").symlink_to(target.outside / "secret.jsonl")
        )
    with target.session() as session:
        session.open("render", **target.world.address).fill(
            "Model", place.format(root=target.root, outside=target.outside)
        )
        assert "outside the folders" in session.alerts()
        assert SECRET.encode() not in session.everything()
        assert not session.crashes()
