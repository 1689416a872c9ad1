"""Why a fetch failed, as one sentence for the verdict. It quotes nothing that the host sent."""

import socket
import ssl

# OpenSSL's codes (x509_vfy.h).
_NOT_YET_VALID = 9
_EXPIRED = 10
_WRONG_HOST = frozenset({62, 64})  # a name, an IP address
_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})  # not found, self-signed, a chain without its root or its middle


def explained(error: BaseException) -> str:
    """Return the sentence. urllib3 wraps some errors; the innermost that we know decides."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    return next(filter(None, map(_known, chain)), f"the host did not answer properly ({type(error).__name__})")


def _known(error: BaseException) -> str | None:
    match error:
        case ssl.SSLCertVerificationError(verify_code=code):
            return f"the host's certificate {_certificate(code, error.verify_message)}"
        case socket.gaierror(errno=socket.EAI_AGAIN):
            return "the host's name could not be resolved, because no name server answered"
        case socket.gaierror():
            return "the host's name does not exist"
        case ConnectionRefusedError():
            return "the host refused the connection"
        case _:
            return None


def _certificate(code: int, message: str) -> str:
    if code == _EXPIRED:
        return "has expired"
    if code == _NOT_YET_VALID:
        return "is not valid yet"
    if code in _WRONG_HOST:
        return "is for another host"
    if code in _UNKNOWN_ISSUER:
        return "is from an issuer that this machine does not trust (SSL_CERT_FILE names the trusted ones)"
    return f"is not valid: {message}"
