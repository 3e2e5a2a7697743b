"""Certificates of servers and of who calls them: handshakes in memory, without a network."""

import contextlib
import ssl
from pathlib import Path

import pytest

from bobr.runtime import tls
from bobr.runtime.tls import Certificates, TlsFiles, client_context
from bobr.testing.certificates import Signed, authority, signed


@pytest.fixture(autouse=True)
def look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "LOOK_SECONDS", 0.0)


def shake(
    server: ssl.SSLContext,
    client: ssl.SSLContext,
    name: str = "localhost",
    session: ssl.SSLSession | None = None,
) -> ssl.SSLObject:
    """The client's end. ssl.SSLError: one does not take the other."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name, session=session),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    waiting = list(ends)
    while waiting:
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
    ends[0].write(b"x")
    assert ends[1].read(1) == b"x"
    for end in ends:  # who goes without a word has no session to go on with
        with contextlib.suppress(ssl.SSLWantReadError):
            end.unwrap()
    return ends[0]


def files(server: Signed, client_ca: Signed | None = None) -> TlsFiles:
    ca = None if client_ca is None else client_ca.certificate
    return TlsFiles(certificate=server.certificate, key=server.key, client_ca=ca)


def test_a_pinned_certificate_is_trusted_alone_and_not_who_signed_it(tmp_path: Path) -> None:
    ca = authority(tmp_path, "ca")
    ours, theirs = signed(ca, tmp_path, "ours"), signed(ca, tmp_path, "theirs")
    chain = tmp_path / "chain.pem"
    chain.write_bytes(ours.certificate.read_bytes() + ca.certificate.read_bytes())
    pinned = client_context(pinned=chain)
    shake(Certificates(files(ours)).http_context(), pinned, name="by.any.name")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(Certificates(files(theirs)).http_context(), pinned)
    assert pinned.cert_store_stats()["x509"] == 1, "none of the machine's authorities"


def test_an_authority_that_is_taken_away_signs_no_more(tmp_path: Path) -> None:
    machines = authority(tmp_path, "machines")
    old, new = authority(tmp_path, "old"), authority(tmp_path, "new")
    people = Signed(certificate=tmp_path / "people.pem", key=old.key)
    people.certificate.write_bytes(old.certificate.read_bytes())
    server = Certificates(files(signed(machines, tmp_path, "server"), people)).http_context()
    ann, bob = (signed(by, tmp_path, f"of-{by.key.stem}", "clientAuth") for by in (old, new))
    contexts = [
        client_context(ca=machines.certificate, certificate=each.certificate, key=each.key)
        for each in (ann, bob)
    ]
    shake(server, contexts[0])
    people.certificate.with_suffix(".next").write_bytes(new.certificate.read_bytes())
    people.certificate.with_suffix(".next").replace(people.certificate)
    shake(server, contexts[1])
    with pytest.raises(ssl.SSLError):
        shake(server, contexts[0])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_session_goes_on(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """It would bring the certificate of its first connection, whoever signs certificates by now."""
    machines, people = authority(tmp_path, "machines"), authority(tmp_path, "people")
    ann = signed(people, tmp_path, "ann", "clientAuth")
    server = Certificates(files(signed(machines, tmp_path, "server"), people)).http_context()
    client = client_context(ca=machines.certificate, certificate=ann.certificate, key=ann.key)
    client.minimum_version = client.maximum_version = version
    first = shake(server, client).session
    assert shake(server, client, session=first).session_reused is False


def test_half_of_a_new_certificate_is_not_used_and_the_whole_is(tmp_path: Path) -> None:
    ca, other = authority(tmp_path, "ca"), authority(tmp_path, "other")
    mine, next_one = signed(ca, tmp_path, "mine"), signed(other, tmp_path, "next")
    server = Certificates(files(mine)).http_context()
    before, after = (client_context(ca=each.certificate) for each in (ca, other))
    mine.certificate.write_bytes(next_one.certificate.read_bytes())
    shake(server, before)
    mine.key.unlink()
    shake(server, before)
    mine.key.write_bytes(next_one.key.read_bytes())
    shake(server, after)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server, before)
