"""Weights from elsewhere: an https address with its SHA-256, or a commit of a Hugging Face repository."""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from ganzoo_core.datasets import cache_folder
from ganzoo_core.errors import FileError, shorten
from ganzoo_core.storage.fetching import check_address, fetch, without_query
from ganzoo_core.storage.files import as_file_error, read_bounded, write_atomically
from ganzoo_core.storage.names import one_line

_MOST_BYTES = 2 * 2**30  # of one file: half a billion numbers
_TIMEOUT_S = 30.0
_SHA256 = re.compile("[0-9a-fA-F]{64}")
_COMMIT = re.compile("[0-9a-f]{40}")
_HUB = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(@(?P<commit>[^:]*))?(:(?P<file>.+))?", re.ASCII)
_log = logging.getLogger("ganzoo")


class _Found(NamedTuple):
    """Where a file is to be had, and which it is; `most`: the bytes that it may have."""

    address: str
    sha256: str
    most: int
    token: str | None = None


def is_remote(source: str | Path) -> bool:
    """Whether a source is an address, and no path and no name."""
    return str(source).lower().startswith(("https:", "http:", "hf:"))


def hugging_face(name: str) -> ModuleType:
    """The package huggingface_hub. Raises `FileError`, which says that `name` needs it, where it is not installed."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise FileError(f'{name} needs the package huggingface_hub: pip install "ganzoo-core[hub]"') from error
    return huggingface_hub


def fetched(source: str) -> Path:
    """The file of weights at an address, in the cache or fetched into it; its digest is checked each time.

    Raises `FileError` for an address that does not say which weights they are, and where they can't be had.
    """
    folder = cache_folder() / "weights"
    path = _of_hub(source, folder) if source.lower().startswith("hf:") else _of_address(source, folder)
    _log.info("the weights of %s are %s", without_query(source), path)
    return path


def _of_address(source: str, folder: Path) -> Path:
    address, _, fragment = source.partition("#")
    check_address(address)
    digest = fragment.removeprefix("sha256=").lower()
    if not (fragment.startswith("sha256=") and _SHA256.fullmatch(digest)):
        raise FileError(
            f"{without_query(address)} must be followed by #sha256= and the 64 digits of the file's SHA-256, so that "
            f"you get the weights that you mean; whoever has them can tell it, by `sha256sum FILE` (on Windows "
            f"`certutil -hashfile FILE SHA256`)"
        )
    return _kept(folder, digest) or _brought(folder, _Found(address, digest, _MOST_BYTES))


def _of_hub(source: str, folder: Path) -> Path:
    """A file of a commit: which digest it has is asked once, and kept beside the weights."""
    repo, commit, file = _parsed(source)
    name = f"hf:{repo}@{commit}:{file}"
    note = folder / f"{hashlib.sha256(name.encode()).hexdigest()}.sha256"
    digest = read_bounded(note, 1000).decode("utf-8", "replace")[:64] if note.is_file() else ""
    if _SHA256.fullmatch(digest) and (path := _kept(folder, digest)):
        return path
    found = _looked_up(repo, commit, file)
    path = _kept(folder, found.sha256) or _brought(folder, found)
    write_atomically(note, f"{found.sha256}  {name}\n".encode())
    return path


def _parsed(source: str) -> tuple[str, str, str]:
    """The repository, the commit and the file of hf:OWNER/REPO@COMMIT[:FILE]."""
    found = _HUB.fullmatch("hf" + source[2:])
    file = "" if found is None else found["file"] or "generator.safetensors"
    if found is None or {"", ".", ".."} & set(file.split("/")):
        raise FileError(f"{shorten(source)} must be hf:OWNER/REPO@COMMIT or hf:OWNER/REPO@COMMIT:FILE")
    if not _COMMIT.fullmatch(found["commit"] or ""):
        named = f"names {shorten(found['commit'])!r}" if found["commit"] else "names none"
        raise FileError(
            f"hf:{shorten(found['repo'])} must be followed by @ and the 40 digits of a commit, but {named}: a branch "
            f"or a tag moves, and its weights with it; the repository's page lists the commits"
        )
    return found["repo"], found["commit"], file


def _looked_up(repo: str, commit: str, file: str) -> _Found:
    """What the hub says of a file. Raises `FileError` where it can't be asked, and for what it can't vouch for."""
    name = f"hf:{repo}@{commit}:{file}"
    hub = hugging_face(name)
    errors = hub.errors
    failed = f"{name} could not be looked up"
    try:
        address, token = hub.hf_hub_url(repo, file, revision=commit), hub.get_token()
        check_address(address)  # where HF_ENDPOINT says is asked
        said = hub.get_hf_file_metadata(address, token=token, timeout=_TIMEOUT_S)
    except FileError:
        raise
    except (errors.GatedRepoError, errors.RepositoryNotFoundError) as error:
        why = "there is no such repository, or it is not open to all; `hf auth login` says who you are"
        raise FileError(f"{failed}: {why}") from error
    except errors.RevisionNotFoundError as error:
        raise FileError(f"{failed}: {repo} has no such commit") from error
    except errors.EntryNotFoundError as error:
        raise FileError(f"{failed}: there is no {file} in that commit") from error
    except Exception as error:  # of the library that it speaks http with, and of its own, of many kinds
        raise FileError(f"{failed}: {shorten(one_line(error))}; see to a network") from error
    if not _SHA256.fullmatch(said.etag or "") or said.size is None:
        raise FileError(f"{name} can't be checked: {file} is not kept by Git LFS there, so that it has no SHA-256")
    if said.size > _MOST_BYTES:
        raise FileError(f"{name} is not fetched: it may have {_MOST_BYTES:,} bytes, but has {said.size:,}")
    return _Found(address, str(said.etag).lower(), said.size, token)


def _kept(folder: Path, sha256: str) -> Path | None:
    """The file of that digest in the cache, if it is there and whole."""
    path = folder / f"{sha256}.safetensors"
    if not path.is_file():
        return None
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
            return path
    _log.warning("%s is damaged, and is fetched again", path)
    return None


def _brought(folder: Path, found: _Found) -> Path:
    path = folder / f"{found.sha256}.safetensors"
    with as_file_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
    fetch(found.address, path, sha256=found.sha256, most=found.most, token=found.token)
    return path
