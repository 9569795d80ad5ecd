"""Whose certificates are believed: the same ones for HTTP and gRPC, whatever the environment."""

from __future__ import annotations

import re
import ssl
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Optional

OWN_AUTHORITY = (
    "if an authority of your own signed it, set OTEL_EXPORTER_OTLP_CERTIFICATE to the file "
    "with that authority's certificate"
)
_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
# Where Debian, Fedora, SUSE, and Alpine or macOS keep the authorities of the whole machine.
_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def authorities(certificate: Optional[Path]) -> bytes:
    """The certificates to trust, PEM: those of `certificate`, else certifi's and the system's.

    SSL_CERT_FILE and its like are not looked at: a repository's settings may have set them.
    Raises OSError if the file cannot be read, ValueError if there is no certificate in it.
    """
    if certificate is not None:
        blocks = _BLOCK.findall(certificate.read_bytes())
        if not blocks:
            raise ValueError("no PEM certificate in it")
        return b"\n".join(blocks) + b"\n"
    found: dict[bytes, None] = {}
    for bundle in _system_bundles():
        found.update(dict.fromkeys(_BLOCK.findall(bundle)))
    return b"\n".join(found) + b"\n"


def _system_bundles() -> Iterator[bytes]:
    import certifi

    yield Path(certifi.where()).read_bytes()
    if sys.platform == "win32":
        for der, encoding, _trust in ssl.enum_certificates("ROOT"):
            if encoding == "x509_asn":
                yield ssl.DER_cert_to_PEM_cert(der).encode()
        return
    for path in (ssl.get_default_verify_paths().openssl_cafile, *_SYSTEM_FILES):
        with suppress(OSError):
            yield Path(path).read_bytes()
            return
