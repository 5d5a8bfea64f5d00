"""Reading a configuration: TOML text and environment in, `Config` or every mistake out."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import MappingProxyType

import msgspec
from msgspec import Struct

from callgate.catalogue import load as load_catalogue
from callgate.config.building import DirectoryBuilder
from callgate.config.contradictions import contradictions
from callgate.config.deployments import Providers
from callgate.config.misspelling import hint
from callgate.config.settings import Settings
from callgate.config.sources import mark
from callgate.config.variables import Variables
from callgate.core import shape
from callgate.core.allowance import Allowance
from callgate.core.directory import Directory
from callgate.core.forwarded import TrustedProxies, networks_of
from callgate.core.models import Model
from callgate.upstream.proxy import Proxies, parse_proxies

_MAX_FILE_BYTES = 4 * 2**20
_PLACES = ("data_dir", "region", "store.url", "counters.url")
"""Without these nobody knows where to look."""
DEFAULT_FILE = Path("callgate.toml")
# To a proxy they are itself; and the local model's prompts stay on this machine.
_OWN = "localhost,127.0.0.0/8,::1"


class ConfigError(Exception):
    """The configuration cannot be used; `mistakes` has one line for each thing to correct.

    `source` is the file, or `environment`.
    """

    def __init__(self, source: str, mistakes: list[str]) -> None:
        super().__init__("\n".join(f"{source}: {mistake}" for mistake in mistakes))
        self.source = source
        self.mistakes = mistakes


class Network(Struct, frozen=True, kw_only=True):
    """What the environment says of the network: proxies, and whose certificates are trusted.

    Variables: HTTP_PROXY (lower case only counts for http, as curl has it), HTTPS_PROXY,
    ALL_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR.
    """

    proxies: Proxies = Proxies()
    ca_file: str | None = None
    ca_dir: str | None = None


class Config(Struct, frozen=True, kw_only=True):
    """A configuration that has been checked. `file` is None where there was none to read.

    `file` is as it was named, since what a link leads to may be replaced; `home` is the folder that
    it really lies in, from which relative paths are read. `sources` are all files that were read,
    with their marks.

    `providers` is what further models can be built from; without it, there are only those.
    """

    settings: Settings
    directory: Directory
    home: Path
    data_dir: Path
    store_url: str
    network: Network
    file: Path | None = None
    sources: Mapping[Path, bytes] = MappingProxyType({})
    local_weights: str | None = None
    providers: Providers | None = None

    @property
    def region(self) -> str:
        """The region that this process serves."""
        return self.settings.region

    @property
    def models(self) -> Mapping[str, Model]:
        """The models that can be called here, by name."""
        return self.directory.served

    @property
    def allowances(self) -> Mapping[str, Allowance]:
        """What accounts may use, by name; `EVERYONE` is whoever has no table."""
        accounts = self.settings.accounts
        return {
            name: Allowance(**msgspec.structs.asdict(table)) for name, table in accounts.items()
        }

    @property
    def trusted_proxies(self) -> TrustedProxies | None:
        """Who is believed when it tells whom it asks for; None: nobody."""
        networks = self.trusted_networks
        return TrustedProxies(networks) if networks else None

    @property
    def trusted_networks(self) -> list[IPv4Network | IPv6Network]:
        """Where those are; without what stands in variables that were not needed."""
        entries = self.settings.server.trusted_proxies
        return [network for one in entries if "${" not in one for network in networks_of(one)]

    @property
    def capture_dir(self) -> Path:
        """Where captured payloads are kept."""
        return self.data_dir / "captures"

    @property
    def journal_dir(self) -> Path:
        """Where records wait until the store has them."""
        return self.data_dir / "journal"

    @property
    def metrics_dir(self) -> Path | None:
        """Where the processes tell their figures; None where nobody wants them."""
        return self.data_dir / "metrics" if self.settings.metrics.enabled else None


def load(path: Path | None, environ: Mapping[str, str], *, secrets: bool = True) -> Config:
    """Read `path`, or `./callgate.toml` where it exists, or fall back on the environment alone.

    Without `secrets`, variables and files that are not there are left standing: whoever only looks
    at records need not know the providers' keys. Where data lies has to be known even so. Raises
    ConfigError; with a `path` that was named but is absent, too.
    """
    file = path if path is not None else DEFAULT_FILE
    if path is None and not file.exists():
        return _trusting(_config(Settings(), None, environ), wanted=secrets)
    try:
        data = file.read_bytes()[: _MAX_FILE_BYTES + 1]
        if len(data) > _MAX_FILE_BYTES:
            raise ConfigError(str(file), ["the file is larger than 4 MiB"])
        table = tomllib.loads(data.decode("utf-8-sig"))  # editors on Windows begin with a mark
    except OSError as error:
        raise ConfigError(str(file), [f"cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        told = (
            f"is not UTF-8, as TOML has to be: byte {error.start + 1} is 0x{data[error.start]:02x}"
        )
        raise ConfigError(str(file), [told]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(file), [f"is not TOML: {error}"]) from None
    variables = Variables(environ, file.resolve().parent)
    table = variables.expand(table)
    mistakes, unset = variables.mistakes, variables.unset
    mistakes += [told for path, told in unset.items() if secrets or path in _PLACES]
    report = shape.inspect(table, Settings)
    for fault in report.faults:  # JSON's objects are TOML's tables
        mistakes.append(f"{fault.path}: {fault.message.replace('an object', 'a table')}")
    mistakes += [f"{key}: no such setting{hint(key, table)}" for key in report.unknown]
    if mistakes:
        raise ConfigError(str(file), _blamed(mistakes, unset))
    try:
        config = _config(msgspec.convert(table, Settings), file, environ)
    except ConfigError as error:
        raise ConfigError(error.source, _blamed(error.mistakes, unset)) from None
    sources = {file.absolute(): mark(data)} if file.is_file() else {}  # and no pipe
    config = msgspec.structs.replace(config, sources=sources | variables.sources)
    return _trusting(config, wanted=secrets)


def _why_not_trusted(file: Path) -> str:
    """What is wrong with a file of certificate authorities, if anything."""
    if not (file.is_file() and os.access(file, os.R_OK)):
        return "cannot be read"
    import ssl  # an eighth of what a command takes to start, which few need

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except OSError:
        return "contains no valid certificate in PEM format"
    return ""


def _trusting(config: Config, *, wanted: bool) -> Config:
    """The same, if its certificate authorities are there, or nobody needs them."""
    if not wanted:
        return config
    mistakes = []
    for name, table in config.settings.providers.items():
        path = config.home / table.ca_file
        why = _why_not_trusted(path) if table.ca_file else ""
        if why:
            mistakes.append(f"providers.{name}.ca_file: the file {path} {why}")
    if mistakes:
        raise ConfigError(str(config.file), mistakes)
    ways = (one for model in config.models.values() for one in model.deployments)
    if not any(one.origin.scheme == "https" for one in ways):
        return config
    network = config.network
    if network.ca_file is not None and not os.access(network.ca_file, os.R_OK):
        mistakes.append(f"SSL_CERT_FILE: {network.ca_file} cannot be read")
    if network.ca_dir is not None and not Path(network.ca_dir).is_dir():
        mistakes.append(f"SSL_CERT_DIR: {network.ca_dir} is not a folder")
    if mistakes:
        raise ConfigError("environment", mistakes)
    return config


def _blamed(mistakes: list[str], unset: Mapping[str, str]) -> list[str]:
    """The mistakes; of a value that lacks a variable it is told that, and nothing else."""
    told = [unset.get(line.partition(":")[0], line) for line in mistakes]
    return list(dict.fromkeys(told))


def _config(settings: Settings, file: Path | None, environ: Mapping[str, str]) -> Config:
    home = file.resolve().parent if file is not None else Path.cwd()
    data_dir = home / settings.data_dir
    providers = (
        Providers(settings.providers) if file is not None else Providers.of_environment(environ)
    )
    catalogue = load_catalogue() if settings.catalogue else None
    builder = DirectoryBuilder(settings, providers, catalogue, datetime.now(UTC).date())
    directory = builder.build()
    mistakes = [*providers.mistakes, *builder.mistakes, *contradictions(settings)]
    if mistakes:
        raise ConfigError(str(file or "environment"), mistakes)
    store_url = settings.store.url or f"sqlite:///{data_dir / 'callgate.db'}"
    return Config(
        settings=settings,
        directory=directory,
        home=home,
        data_dir=data_dir,
        store_url=_anchored(store_url, home),
        network=_network(environ),
        file=file.absolute() if file is not None else None,
        local_weights=providers.local_weights,
        providers=providers,
    )


def _anchored(url: str, home: Path) -> str:
    """Make a relative SQLite path relative to the configuration file, not to where one stands."""
    prefix = "sqlite:///"
    path = url.removeprefix(prefix)
    if path != url and path and not path.startswith((":", "/")):  # `:memory:` is refused as it is
        return f"{prefix}{home / path}"
    return url


def _network(environ: Mapping[str, str]) -> Network:
    def either(name: str) -> str:
        return environ.get(name.lower()) or environ.get(name) or ""

    try:
        proxies = parse_proxies(
            http=environ.get("http_proxy", ""),
            https=either("HTTPS_PROXY"),
            all=either("ALL_PROXY"),
            no=f"{either('NO_PROXY')},{_OWN}",
        )
    except ValueError as error:
        raise ConfigError(
            "environment", [f"proxy variables (http_proxy, HTTPS_PROXY, ALL_PROXY): {error}"]
        ) from None
    return Network(
        proxies=proxies,
        ca_file=environ.get("SSL_CERT_FILE") or None,
        ca_dir=environ.get("SSL_CERT_DIR") or None,
    )
