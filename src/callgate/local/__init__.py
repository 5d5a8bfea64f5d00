"""The embedded model: a small real one, served by llama.cpp in a child process on loopback."""

from callgate.local.model import installed

__all__ = ["installed"]
