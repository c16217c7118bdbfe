"""Which version answers a request: sticky by key, the same on every replica and after every restart."""

from __future__ import annotations

from hashlib import blake2b

from noria.core.traffic import Route

_SPAN = 2.0**-53


def bucket(salt: str, key: str) -> float:
    """A uniform number in [0, 1) that depends on the salt and the key alone.

    >>> bucket("rollout-1", "N123AA") == bucket("rollout-1", "N123AA")
    True
    """
    hashed = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, person=_person(salt))
    return (int.from_bytes(hashed.digest(), "big") >> 11) * _SPAN


def lane(route: Route, key: str) -> bool:
    """Whether the challenger answers this key. As the share grows keys only join; none leaves."""
    if route.challenger is None or route.challenger_share <= 0.0:
        return False
    return bucket(route.salt, key) < route.challenger_share


def kept(route: Route, request_id: str) -> bool:
    """Whether the prediction log keeps this request."""
    return route.sample >= 1.0 or bucket("sample", request_id) < route.sample


def _person(salt: str) -> bytes:
    """Sixteen bytes for any salt: BLAKE2's own place for what makes one use differ from another."""
    plain = salt.encode("utf-8", "surrogatepass")
    return plain if len(plain) <= 16 else blake2b(plain, digest_size=16).digest()
