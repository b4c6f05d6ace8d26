"""Chance by identity: what is drawn for an order depends on its name alone, not on when it came or who asked."""

import hashlib

import numpy as np

__all__ = ["drawn"]


def drawn(seed: int, *identity: str | int) -> float:
    """A number from 0 to below 1, the same for the same seed and identity on every machine."""
    words = [part if isinstance(part, int) else _number(part) for part in identity]
    (bits,) = np.random.SeedSequence([seed, *words]).generate_state(1, np.uint64)
    return int(bits >> np.uint64(11)) / 2**53


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
