"""Files and environment turned into frozen structs; nothing else reads either.

`load` gives a `Config` or raises `ConfigError`, whose text names every mistake by its key.
"""

from callgate.config.load import Config, ConfigError, Network, load

__all__ = ["Config", "ConfigError", "Network", "load"]
