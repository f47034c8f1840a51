"""Errors, sorted by what the caller should do next."""

from enum import StrEnum


class Remedy(StrEnum):
    """The caller's next move."""

    RETRY = "retry"
    LOOK_UP = "look_up"
    GIVE_UP = "give_up"
    FIX_CONFIG = "fix_config"


class HubError(Exception):
    """Root of the errors that our own code raises. ``remedy`` says what to do next."""

    remedy: Remedy = Remedy.GIVE_UP


class ConfigError(HubError):
    """Something an operator wrote cannot be used. The text names file, table and key, and what was expected."""

    remedy = Remedy.FIX_CONFIG


class StoreDown(HubError):
    """A record cannot be written now; what was asked has not happened."""

    remedy = Remedy.RETRY


class LinkRefused(HubError):
    """The other side does not accept our credentials or certificate."""

    remedy = Remedy.FIX_CONFIG


class LinkDown(HubError):
    """The other side cannot be reached at the moment."""

    remedy = Remedy.RETRY


class MalformedPayload(HubError):
    """A device sent bytes that its media type does not allow. The text says where and what was expected."""
