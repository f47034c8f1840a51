"""Published thing profiles: every version that a thing ever lived by is kept, because its history is folded by it."""

from collections.abc import Mapping

import msgspec

from actors.model.errors import ConfigError
from actors.model.profiles import ThingProfile
from actors.runtime.journal import Batch, Journal, RecordRow
from hub.storing import store

_KIND = "profile"


def reference(profile: ThingProfile) -> str:
    """Return the name under which things know this version of a profile."""
    return f"{profile.name}@{profile.version}"


async def publish_profiles(journal: Journal, configured: Mapping[str, ThingProfile]) -> dict[str, ThingProfile]:
    """Keep the configured profiles and return all that were ever published, by reference.

    Raises:
        ConfigError: a profile was changed and kept its version; the text names it and the remedy.
    """
    rows = [row for row in journal.records(_KIND) if row.body is not None]
    known = {row.key: msgspec.json.decode(row.body or b"", type=ThingProfile) for row in rows}
    fresh = {reference(profile): profile for profile in configured.values()}
    changed = [profile for key, profile in fresh.items() if key in known and known[key] != profile]
    if changed:
        raise ConfigError("\n".join(_remedy(profile) for profile in changed))
    added = [
        RecordRow(kind=_KIND, key=key, owner="", body=msgspec.json.encode(profile))
        for key, profile in fresh.items()
        if key not in known
    ]
    if added:
        await store(journal, Batch(records=added))
    return {**known, **fresh}


def _remedy(profile: ThingProfile) -> str:
    return (
        f"profile {profile.name}: changed, but its version is still {profile.version}, by which things fold their "
        f"history; write version = {profile.version + 1}, and they go over to it with their next message"
    )
