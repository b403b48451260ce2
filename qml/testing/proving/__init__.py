"""The proof, on a store of the user's own: rules, servers, schedules of threads, and kills."""

from .parts import PARTS, Part
from .proof import Found, Proof, prove

__all__ = ["PARTS", "Found", "Part", "Proof", "prove"]
