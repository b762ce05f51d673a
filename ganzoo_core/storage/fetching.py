"""A file of a network, brought to the disk whole: bounded, gone on with where it was cut off, and of a known digest."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from ganzoo_core.errors import FileError, shorten
from ganzoo_core.hookspecs import VERSION
from ganzoo_core.storage.files import replaced
from ganzoo_core.storage.names import one_line

_TRIES, _WAIT_S = 5, 1.0
_TIMEOUT_S = 30.0
_TELL_EVERY_S = 10.0
_PIECE = 2**18  # bytes
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}
_log = logging.getLogger("ganzoo")


def fetch(address: str, path: Path, *, sha256: str, most: int, token: str | None = None) -> None:
    """Bring the file at `address` to `path` once all of it is there, of `most` bytes or less and with that digest.

    `address` is https, or http on this machine itself; it may send on to another host, but only to https. A connection
    that is cut is made again, and what has come is kept. `token` goes to the host of the address and to no other.
    Raises `FileError`, also where nothing can be written; then nothing of it is left.
    """
    check_address(address)
    digest, come, told_s = hashlib.sha256(), 0, time.monotonic()
    with replaced(path) as file:
        for piece in _all_pieces(address, most, token):
            digest.update(piece)
            file.write(piece)
            come += len(piece)
            if time.monotonic() - told_s >= _TELL_EVERY_S:
                told_s = time.monotonic()
                _log.info("%s bytes have come", f"{come:,}")
        if digest.hexdigest() != sha256:
            raise FileError(
                f"{without_query(address)} is another file than was asked for, or was damaged on its way: its SHA-256 "
                f"must be {sha256}, but is {digest.hexdigest()}"
            )


def check_address(address: str) -> None:
    """Raise `FileError` for an address that can't be fetched from, or whose file others could change on its way."""
    shown = without_query(address)
    try:
        parts = urlsplit(address)
        scheme, host, _ = parts.scheme, parts.hostname, parts.port
    except ValueError:  # a port that is none, half an IPv6 address
        scheme, host = "", None
    if scheme and "@" in parts.netloc:
        raise FileError("an address may hold no name and no password; leave out what stands before the @")
    if not host or not address.isascii() or not address.isprintable() or " " in address:
        raise FileError(f"{shown} is no address: it must be https://HOST/PATH, what is not ASCII as %XX")
    if scheme != "https" and not (scheme == "http" and host in _THIS_MACHINE):
        raise FileError(
            f"{shown} is not fetched: it must begin with https://, since what comes by {scheme} can be "
            f"changed on its way"
        )


def without_query(address: str) -> str:
    """An address as messages have it: without its query, in which a signature may be."""
    return shorten(one_line(address.partition("?")[0]))


def reason(error: Exception) -> str:
    """Why something could not be fetched, in one line; urllib wraps the error that tells."""
    if isinstance(error, HTTPError):
        return shorten(one_line(f"the server says {error.code} {error.reason}"))
    return shorten(" ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__)


class _Redirects(HTTPRedirectHandler):
    """Sends on to https alone, and says where; a token stays with the host that it was given for."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if before.scheme == "https" and after.scheme != "https":
            raise FileError(
                f"{without_query(req.full_url)} sends on to {without_query(newurl)}, and only https is followed"
            )
        check_address(newurl)
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new is not None and before.netloc != after.netloc:
            new.remove_header("Authorization")
            _log.info("%s sends on to %s", before.netloc, after.netloc)
        return new


def _opener(address: str) -> OpenerDirector:
    """What opens the address: past a proxy where that is on this machine."""
    return build_opener(_Redirects, *([ProxyHandler({})] if urlsplit(address).hostname in _THIS_MACHINE else []))


def _all_pieces(address: str, most: int, token: str | None) -> Iterator[bytes]:
    """The file piece by piece, through cut connections. Raises `FileError` where it does not end well."""
    opener, come, shown = _opener(address), 0, without_query(address)
    for left in reversed(range(_TRIES)):
        try:
            for piece in _pieces(opener, address, come, most, token):
                come += len(piece)
                yield piece
        except (OSError, HTTPException, ValueError) as error:
            if not (come and left):  # what never began is told at once
                after = f" after {come:,} bytes" if come else ""
                raise FileError(
                    f"{shown} could not be fetched{after}: {reason(error)}; see to the address and a network, or name "
                    f"a file that is here"
                ) from error
            _log.info("%s was cut off after %s bytes; going on from there", shown, f"{come:,}")
            time.sleep(_WAIT_S)
        else:
            return


def _pieces(opener: OpenerDirector, address: str, start: int, most: int, token: str | None) -> Iterator[bytes]:
    """What the server sends from byte `start` on. Raises `OSError` and the like where it ends too early."""
    request = Request(address, headers={"User-Agent": f"ganzoo/{VERSION}", "Accept-Encoding": "identity"})
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    if start:
        request.add_header("Range", f"bytes={start}-")
    with opener.open(request, timeout=_TIMEOUT_S) as response:
        skip = start if response.status != 206 else 0  # a server may send all of it again
        if start != skip and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise OSError("the server sends another part than was asked for")
        come = start - skip
        length = response.headers.get("Content-Length", "")
        whole = come + int(length) if length.isdecimal() else None
        if not start:
            _log.info("fetching %s%s", without_query(address), "" if whole is None else f", {whole:,} bytes")
        _check_length(address, whole or 0, most)
        while piece := response.read(_PIECE):
            come += len(piece)
            _check_length(address, come, most)
            new, skip = piece[skip:], max(0, skip - len(piece))
            if new:
                yield new
        if whole is not None and come < whole:
            raise OSError(f"the connection ended after {come:,} of {whole:,} bytes")


def _check_length(address: str, length: int, most: int) -> None:
    if length > most:
        raise FileError(
            f"{without_query(address)} is not fetched: it may have {most:,} bytes, but has {length:,} or more"
        )
