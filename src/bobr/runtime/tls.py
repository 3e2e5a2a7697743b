"""TLS of everything that listens and of who calls it: certificates are read again when their files change.

Each handshake looks, once a second at most, whether the files are others than before. New ones are tried first: where
they do not fit (a certificate whose key is still being written), what was there goes on, and a log line says why.
"""

import re
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from bobr.errors import MisconfiguredError

if TYPE_CHECKING:
    import grpc

LOOK_SECONDS = 1.0
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files. certificate: with what lies between it and its root. client_ca: who calls needs one signed by it."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def words(self) -> Sequence[str]:
        """As options of a command."""
        words = ["--tls-cert", str(self.certificate.absolute()), "--tls-key"]
        words.append(str(self.key.absolute()))
        if self.client_ca is not None:
            words += ["--tls-client-ca", str(self.client_ca.absolute())]
        return words

    @property
    def _paths(self) -> Sequence[Path]:
        return [self.certificate, self.key, *([self.client_ca] if self.client_ca else [])]

    def stamp(self) -> tuple[tuple[int, int, int], ...]:
        """Another one when a file is another. OSError: one is not there."""
        stats = (path.stat() for path in self._paths)
        return tuple((each.st_mtime_ns, each.st_ino, each.st_size) for each in stats)


def tls_files(
    certificate: Path | None, key: Path | None, client_ca: Path | None
) -> TlsFiles | None:
    """What options say; None: no TLS. MisconfiguredError: one is missing beside another."""
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise MisconfiguredError("TLS needs both --tls-cert and --tls-key")
    return TlsFiles(certificate=certificate, key=key, client_ca=client_ca)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """What the files held at one moment, and that it fits together."""

    stamp: tuple[tuple[int, int, int], ...]
    context: ssl.SSLContext
    certificate: bytes
    key: bytes
    client_ca: bytes | None

    @classmethod
    def read(cls, files: TlsFiles) -> "_Loaded":
        """OSError, ValueError: they can not be read, or do not fit together."""
        stamp = files.stamp()
        loaded = cls(
            stamp=stamp,
            context=_server_context(files),
            certificate=files.certificate.read_bytes(),
            key=files.key.read_bytes(),
            client_ca=files.client_ca.read_bytes() if files.client_ca else None,
        )
        if files.stamp() != stamp:
            raise ValueError("they change while they are read")
        return loaded


def _bare_context(*, asks_for_certificates: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A session that goes on would bring the client's certificate of then, whatever was changed since.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    if asks_for_certificates:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _server_context(files: TlsFiles) -> ssl.SSLContext:
    context = _bare_context(asks_for_certificates=files.client_ca is not None)
    context.load_cert_chain(files.certificate, files.key, password=lambda: b"")
    if files.client_ca is not None:
        context.load_verify_locations(files.client_ca)
    return context


class _Listening(ssl.SSLContext):
    """A listener's context, which gives each connection one of its own.

    Without tickets TLS 1.2 still keeps sessions by their id, in the context that the connection began with, and there
    is no option against it: so the context ends with its connection. It takes 0.2 ms of a handshake's several.
    """

    fresh: Callable[[], ssl.SSLContext]

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """One connection."""
        return self.fresh().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


class Certificates:
    """Of one process, for all its listeners. Thread-safe."""

    def __init__(self, files: TlsFiles) -> None:
        """Reads them. MisconfiguredError: they can not be used."""
        self._files = files
        self._lock = threading.Lock()
        self._tried: object = None
        self._looked = time.monotonic()
        try:
            self._now = _Loaded.read(files)
        except (OSError, ValueError) as error:
            raise MisconfiguredError(f"{_named(files)} can not be used: {error}") from error

    def http_context(self) -> ssl.SSLContext:
        """For servers of asyncio: each handshake gets what the files hold then."""
        asks = self._files.client_ca is not None

        def choose(connection: Any, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = self._newest().context

        def fresh() -> ssl.SSLContext:
            context = _bare_context(asks_for_certificates=asks)
            context.sni_callback = choose
            return context

        listening = _Listening(ssl.PROTOCOL_TLS_SERVER)
        listening.fresh = fresh
        return listening

    def grpc_credentials(self) -> "grpc.ServerCredentials":
        """For servers of gRPC, likewise."""
        import grpc

        def newest() -> "grpc.ServerCertificateConfiguration":
            loaded = self._newest()
            return grpc.ssl_server_certificate_configuration(
                [(loaded.key, loaded.certificate)], root_certificates=loaded.client_ca
            )

        return grpc.dynamic_ssl_server_credentials(
            newest(), newest, require_client_authentication=self._files.client_ca is not None
        )

    def _newest(self) -> _Loaded:
        with self._lock:
            if time.monotonic() - self._looked >= LOOK_SECONDS:
                self._looked = time.monotonic()
                self._look()
            return self._now

    def _look(self) -> None:
        try:
            stamp = self._files.stamp()
            if stamp == self._now.stamp:
                return
            self._now = _Loaded.read(self._files)
        except (OSError, ValueError) as error:
            if self._tried != str(error):  # once for each way of being wrong
                self._tried = str(error)
                log.error(
                    "the new certificate is not used", files=_named(self._files), error=str(error)
                )
        else:
            self._tried = None
            log.info("a new certificate is used", files=_named(self._files))


def _named(files: TlsFiles) -> str:
    return f"the certificate {files.certificate} with the key {files.key}"


def _pinned(certificate: Path | None) -> ssl.SSLContext:
    """Trusts that one certificate, and nobody who signed it: so its name says nothing more."""
    assert certificate is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    first = _CERTIFICATE.search(certificate.read_text())
    if first is None:
        raise ValueError("it has no certificate")
    context.load_verify_locations(cadata=first[0])
    return context


def client_context(
    *,
    ca: Path | None = None,
    pinned: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
) -> ssl.SSLContext:
    """Of who calls. ca: whom to trust; without it the one certificate `pinned`, by whatever name; else the system's.

    certificate, key: its own, where the server asks for one. MisconfiguredError: a file can not be used.
    """
    try:
        is_pinned = ca is None and pinned is not None
        context = _pinned(pinned) if is_pinned else ssl.create_default_context(cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate is not None:
            context.load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ValueError) as error:
        files = ", ".join(str(each) for each in (ca, pinned, certificate, key) if each)
        raise MisconfiguredError(f"TLS can not be used with {files}: {error}") from error
    return context
