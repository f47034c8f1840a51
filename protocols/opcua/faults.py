"""What an exception of asyncua or of the socket means for a link, in an operator's words."""

from typing import Final, NamedTuple, cast

from asyncua.ua import uaerrors

from actors.model.errors import HubError, LinkDown, LinkRefused

ANSWERS: Final[tuple[type[Exception], ...]] = (
    uaerrors.UaStatusCodeError,  # pyright: ignore[reportAssignmentType] - a class, that it takes for a module
)
"""What a service call raises when the server refuses it."""
_USER: Final = (
    uaerrors.BadUserAccessDenied,
    uaerrors.BadIdentityTokenRejected,
    uaerrors.BadIdentityTokenInvalid,
    uaerrors.BadUserSignatureInvalid,
)
_CERTIFICATE: Final = (
    uaerrors.BadSecurityChecksFailed,
    uaerrors.BadCertificateInvalid,
    uaerrors.BadCertificateUntrusted,
    uaerrors.BadCertificateTimeInvalid,
    uaerrors.BadCertificateUriInvalid,
    uaerrors.BadCertificateUseNotAllowed,
    uaerrors.BadCertificateRevoked,
    uaerrors.BadApplicationSignatureInvalid,
    uaerrors.BadSecurityModeRejected,
    uaerrors.BadSecurityPolicyRejected,
)
_UNREADABLE: Final = (FileNotFoundError, PermissionError, IsADirectoryError)


class _Rule(NamedTuple):
    """Errors of these ``kinds`` whose text holds ``says`` are refusals that people can mend by ``advice``."""

    kinds: tuple[type[BaseException], ...]
    says: str
    advice: str


_REFUSALS: Final = (
    _Rule(_USER, "", "check user and password of this endpoint, and the user's rights at the server"),
    _Rule(
        _CERTIFICATE,
        "",
        "let the server trust our certificate (often: move it from rejected to trusted), "
        "and check policy, mode and application_uri of this endpoint",
    ),
    _Rule(
        (AssertionError,),  # all that asyncua has to say of it
        "",
        "the server broke off while the secure channel was opened, which is how a server refuses an unknown "
        "certificate: let it trust ours (often: move it from rejected to trusted)",
    ),
    _Rule(
        (uaerrors.UaError,),
        "No matching endpoints",
        "the server offers no endpoint with this policy and mode: check both",
    ),
    _Rule(
        (uaerrors.UaError,),
        "certificate mismatch",
        "the server shows another certificate than server_certificate: find out why before you change it",
    ),
    _Rule(_UNREADABLE, "", "check the paths certificate, private_key and server_certificate of this endpoint"),
)


class SubscriptionLost(LinkDown):
    """The server no longer knows our subscription; what it had queued is gone."""


def explain(error: BaseException, url: str) -> HubError:
    """Return what to tell people and whether trying again may help (``remedy``)."""
    cause = first_cause(error)
    if isinstance(cause, HubError):
        return cause
    for rule in _REFUSALS:
        if isinstance(cause, rule.kinds) and rule.says in str(cause):
            return LinkRefused(f"{url}: {_text(cause)}; {rule.advice}")
    if isinstance(cause, TimeoutError):
        return LinkDown(f"{url}: no answer in time")
    return LinkDown(f"{url}: {_text(cause)}")


def first_cause(error: BaseException) -> BaseException:
    """Return the error that brought the others about: of a group of tasks the first one that failed."""
    cause = error
    while isinstance(cause, BaseExceptionGroup):
        cause = cast("BaseExceptionGroup[BaseException]", cause).exceptions[0]
    return cause


def is_link_trouble(error: BaseException) -> bool:
    """Say whether an error is the other side's or the path's, and not a defect of ours."""
    known = (HubError, uaerrors.UaError, OSError, TimeoutError, AssertionError)
    return isinstance(first_cause(error), known)


def _text(error: BaseException) -> str:
    name = type(error).__name__
    if isinstance(error, uaerrors.UaStatusCodeError):
        return name
    return f"{name}: {error}" if str(error) else name
