"""A file is fetched whole, bounded and of the digest that was asked for, or a sentence says why not."""

from __future__ import annotations

import hashlib
import logging
import shutil
import ssl
import subprocess
from pathlib import Path
from urllib.request import Request

import pytest
from loopback import ENDLESS, Site, serving

from ganzoo_core.errors import FileError
from ganzoo_core.storage import fetching
from ganzoo_core.storage.fetching import check_address, fetch, reason

BODY = bytes(range(256)) * 4000  # a million bytes
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between tries, and proxies that lead nowhere: this machine itself is never asked by one."""
    monkeypatch.setattr(fetching, "_WAIT_S", 0.0)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)


@pytest.fixture
def site():
    with serving() as served:
        served.files["/a"] = BODY
        yield served


def brought(address: str, path: Path, **options: object) -> bytes:
    fetch(address, path, **({"sha256": SHA256, "most": len(BODY)} | options))  # type: ignore[arg-type]
    return path.read_bytes()


def refused(address: str, path: Path, **options: object) -> str:
    """The sentence that it ends with; nothing is left in the folder."""
    with pytest.raises(FileError) as told:
        brought(address, path, **options)
    assert list(path.parent.iterdir()) == []
    return str(told.value)


def test_a_file_comes_whole(site: Site, tmp_path: Path, caplog):
    with caplog.at_level(logging.INFO, "ganzoo"):
        assert brought(site.at("/a"), tmp_path / "b") == BODY
    assert caplog.messages == [f"fetching {site.at('/a')}, 1,024,000 bytes"]
    assert list(tmp_path.iterdir()) == [tmp_path / "b"] and site.ranges() == [None]


def test_how_far_it_has_come_is_told(site: Site, tmp_path: Path, caplog, monkeypatch):
    monkeypatch.setattr(fetching, "_TELL_EVERY_S", 0.0)
    with caplog.at_level(logging.INFO, "ganzoo"):
        brought(site.at("/a"), tmp_path / "b")
    assert caplog.messages[1] == "262,144 bytes have come" and caplog.messages[-1] == "1,024,000 bytes have come"


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_cut_connection_is_gone_on_with(knows_ranges: bool, site: Site, tmp_path: Path, caplog):
    site.cuts, site.knows_ranges = [300_000, 500_000], knows_ranges
    with caplog.at_level(logging.INFO, "ganzoo"):
        assert brought(site.at("/a"), tmp_path / "b") == BODY
    parts = [300_000, 800_000] if knows_ranges else [300_000, 500_000]
    assert site.ranges() == [None, *(f"bytes={part}-" for part in parts)]
    assert caplog.messages[1] == f"{site.at('/a')} was cut off after 300,000 bytes; going on from there"
    assert len(caplog.messages) == 3


def test_a_connection_that_is_cut_ever_again_is_given_up(site: Site, tmp_path: Path):
    site.cuts = [100_000] * 10
    said = refused(site.at("/a"), tmp_path / "b")
    assert "could not be fetched after 500,000 bytes: the connection ended after 500,000 of 1,024,000 bytes" in said
    assert len(site.requests) == 5


def test_another_part_than_was_asked_for_is_not_taken(site: Site, tmp_path: Path):
    site.cuts, site.wrong_ranges = [100_000], True
    assert "the server sends another part than was asked for" in refused(site.at("/a"), tmp_path / "b")


def test_another_file_is_not_kept(site: Site, tmp_path: Path):
    site.files["/a"] = BODY[:-1] + b"!"
    found = hashlib.sha256(site.files["/a"]).hexdigest()
    assert refused(site.at("/a"), tmp_path / "b") == (
        f"{site.at('/a')} is another file than was asked for, or was damaged on its way: its SHA-256 must be {SHA256}, "
        f"but is {found}"
    )


def test_a_file_that_is_there_stays_where_another_comes(site: Site, tmp_path: Path):
    site.files["/a"] = b"other"
    (tmp_path / "b").write_bytes(b"before")
    with pytest.raises(FileError):
        brought(site.at("/a"), tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 1


def test_a_file_that_is_not_there(site: Site, tmp_path: Path):
    assert refused(site.at("/no?key=secret"), tmp_path / "b") == (
        f"{site.at('/no')} could not be fetched: the server says 404 Not Found; see to the address and a network, or "
        f"name a file that is here"
    )
    assert len(site.requests) == 1


def test_a_server_that_is_not_there(site: Site, tmp_path: Path):
    address = site.at("/a")
    site.shutdown()
    site.server_close()
    said = refused(address, tmp_path / "b")
    assert f"{address} could not be fetched: " in said and "refused" in said and "\n" not in said


def test_a_machine_without_network(tmp_path: Path):
    """The proxy that is asked for what is elsewhere is not there."""
    said = refused("https://example.invalid/a", tmp_path / "b")
    assert said.startswith("https://example.invalid/a could not be fetched: ") and "\n" not in said


def test_a_silent_server_is_given_up(site: Site, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(fetching, "_TIMEOUT_S", 0.05)
    monkeypatch.setattr(fetching, "_TRIES", 1)
    site.cuts, site.stalls = [1000], True
    assert "timed out" in refused(site.at("/a"), tmp_path / "b")


def test_no_more_is_taken_than_it_may_have(site: Site, tmp_path: Path):
    said = refused(site.at("/a"), tmp_path / "b", most=1_023_999)
    assert said == f"{site.at('/a')} is not fetched: it may have 1,023,999 bytes, but has 1,024,000 or more"
    site.files["/a"] = ENDLESS
    said = refused(site.at("/a"), tmp_path / "b", most=1_000_000)
    assert "it may have 1,000,000 bytes, but has 1,048,576 or more" in said


def test_a_length_that_is_none_is_not_believed(site: Site, tmp_path: Path):
    site.headers["/a"] = {"Content-Length": "-5"}
    assert brought(site.at("/a"), tmp_path / "b") == BODY


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://example.org/a", "http://example.org/a is not fetched: it must begin with https://, since what comes"),
        ("ftp://127.0.0.1/a", "since what comes by ftp can be changed on its way"),
        ("file:///etc/passwd", "file:///etc/passwd is no address: it must be https://HOST/PATH"),
        ("https:/host/a", "is no address"),
        ("https://", "is no address"),
        ("https://host:x/a", "is no address"),
        ("https://[::1/a", "is no address"),
        ("https://host/a b", "what is not ASCII as %XX"),
        ("https://höst/a", "what is not ASCII as %XX"),
        ("https://host/a\nb", "is no address"),
        ("https://me:secret@host/a", "an address may hold no name and no password; leave out what stands before the @"),
    ],
)
def test_what_is_no_address_to_fetch_from(address: str, said: str):
    with pytest.raises(FileError) as told:
        check_address(address)
    assert said in str(told.value) and "secret" not in str(told.value) and "\n" not in str(told.value)


def test_a_redirect_on_this_machine_is_followed(site: Site, tmp_path: Path, caplog):
    site.redirects["/b"] = "/a"
    assert brought(site.at("/b"), tmp_path / "b") == BODY


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("http://example.org/a", "http://example.org/a is not fetched: it must begin with https://"),
        ("https://me:secret@example.org/a", "an address may hold no name and no password"),
        ("file:///etc/passwd", "could not be fetched|no address"),
        ("/b", "would lead to an infinite loop"),
    ],
)
def test_a_redirect_that_is_not_followed(to: str, said: str, site: Site, tmp_path: Path):
    site.redirects["/b"] = to
    told = refused(site.at("/b"), tmp_path / "b")
    assert any(words in told for words in said.split("|")) and "\n" not in told


def test_a_token_goes_to_the_host_that_it_is_for_alone(site: Site, tmp_path: Path, caplog):
    site.redirects = {"/b": site.at("/c"), "/c": site.at("/a", "localhost")}
    with caplog.at_level(logging.INFO, "ganzoo"):
        brought(site.at("/b"), tmp_path / "b", token="mine")
    assert [headers.get("Authorization") for _, _, headers in site.requests] == ["Bearer mine", "Bearer mine", None]
    port = site.server_port
    assert f"127.0.0.1:{port} sends on to localhost:{port}" in caplog.messages


@pytest.fixture
def secure(tmp_path_factory):
    """A server that speaks TLS, with a certificate that nobody knows; its path."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl, to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    command = [openssl, *words.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    with serving(certificate=(str(certificate), str(key))) as served:
        served.files["/a"] = BODY
        yield served, certificate


def test_an_unknown_certificate_is_refused(secure, tmp_path: Path):
    site, _ = secure
    assert "certificate verify failed" in refused(site.at("/a"), tmp_path / "b")


def test_https_sends_on_to_https_alone(secure, site: Site, tmp_path: Path, monkeypatch):
    safe, certificate = secure
    monkeypatch.setattr(ssl, "_create_default_https_context", lambda: ssl.create_default_context(cafile=certificate))
    assert brought(safe.at("/a"), tmp_path / "b") == BODY
    (tmp_path / "b").unlink()
    safe.redirects["/b"] = site.at("/a")
    said = refused(safe.at("/b"), tmp_path / "b")
    assert said == f"{safe.at('/b')} sends on to {site.at('/a')}, and only https is followed" and not site.requests


def test_https_sends_on_to_https_alone_without_a_certificate_too(site: Site):
    with pytest.raises(FileError, match="https://host/a sends on to http://127.0.0.1/b, and only https is followed"):
        fetching._Redirects().redirect_request(
            Request("https://host/a?b"), None, 302, "Found", {}, "http://127.0.0.1/b?c"
        )


def test_an_error_without_words_has_its_name():
    assert reason(ValueError()) == "ValueError"
