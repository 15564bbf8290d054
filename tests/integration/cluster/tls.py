"""Certificates for tests, made by the `openssl` program: an authority, a server and a client."""

import subprocess
from pathlib import Path


class Certificates:
    """An authority, and what it signed: a server's certificate for this host, and a client's."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.authority = self._authority()
        self.server = self._signed("server", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1")
        self.client = self._signed("client", "extendedKeyUsage=clientAuth")

    def _path(self, name: str) -> Path:
        return self._directory / name

    def key(self, certificate: Path) -> Path:
        """The private key of a certificate."""
        return certificate.with_suffix(".key")

    def _openssl(self, *words: str | Path) -> None:
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    def _authority(self) -> Path:
        certificate = self._path("authority.pem")
        self._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", "/CN=an authority of the tests"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", self.key(certificate), "-out", certificate),
        )
        return certificate

    def _signed(self, name: str, extension: str) -> Path:
        certificate = self._path(f"{name}.pem")
        request, extensions = self._path(f"{name}.csr"), self._path(f"{name}.ext")
        extensions.write_text(extension)
        self._openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", f"/CN={name}", "-keyout", self.key(certificate), "-out", request),
        )
        self._openssl(
            *("x509", "-req", "-in", request, "-days", "2", "-extfile", extensions),
            *("-CA", self.authority, "-CAkey", self.key(self.authority), "-CAcreateserial"),
            *("-out", certificate),
        )
        return certificate

    @property
    def server_words(self) -> list[str]:
        """The words of a server's command line that give it its certificate."""
        return [
            *("--tls-cert-file", str(self.server), "--tls-key-file", str(self.key(self.server))),
            *("--tls-ca-cert-file", str(self.authority)),
        ]
