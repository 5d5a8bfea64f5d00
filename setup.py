"""The compiled build: the way of a request, through mypyc (https://mypyc.readthedocs.io).

Nothing is compiled unless CALLGATE_COMPILE is set; all else about the package is in pyproject.toml.
See docs/compiled.md.
"""

import os

# What every request and every event of a stream passes through, as far as it gains by it. No class
# here has a subclass elsewhere, since an interpreted class cannot inherit from a compiled one; and
# no msgspec struct or dataclass is here, since msgspec would not find the types of its fields.
COMPILED = {
    "core": (
        "body", "directory", "forwarded", "health", "http", "ids", "jsontext",
        "limits", "present", "pricing", "quota", "request", "response", "routing",
        "rules", "secret", "sse", "target", "template", "validate", "value",
    ),
    "engine": (
        "accesslog", "admission", "attempt", "call", "candidates", "charging", "contentfilter",
        "engine", "failover", "healing", "healthtable", "metering", "pricebook", "relay",
    ),
    "providers": (
        "anthropic/answer", "anthropic/messages", "anthropic/parts", "anthropic/request",
        "anthropic/sampling", "anthropic/stream", "auth", "azure",
        "cohere/stream", "openai/answer", "openai/calls", "openai/dialect", "openai/stream",
        "responses/stream", "streaming",
    ),
    "store": (
        "counters/handover", "counters/memory", "journal/appender", "journal/framing",
        "journal/journal",
    ),
    "upstream": ("client", "connection", "deadline", "head", "pool", "reader", "response"),
    "web": (
        "authentication", "body", "chat", "chunks", "credentials", "door", "exchange", "flow",
        "gate", "head", "headers", "keyring", "protocol", "queue", "reader", "reply", "timer",
    ),
}  # fmt: skip


# All of it becomes one library, of whose functions nobody outside calls any by its name: so those
# within are called directly, and put in place where they are small.
_WITHIN = ["-fvisibility=hidden", "-fno-semantic-interposition"]


def files() -> list[str]:
    """The paths of what is compiled, from the project's root."""
    return [f"src/callgate/{room}/{name}.py" for room, names in COMPILED.items() for name in names]


def main() -> None:
    """Build as pip asks. Compiling needs mypy in the environment, and the base's packages."""
    from setuptools import setup  # absent where only the list is wanted, as in the tests

    extensions = []
    if os.environ.get("CALLGATE_COMPILE"):
        from mypyc.build import mypycify

        # Of what is only imported, extras may be missing: `make lint` is what checks that.
        options = ["--follow-imports=silent"]
        extensions = mypycify([*options, *files()], opt_level="2", debug_level="0")
        for extension in extensions:
            extension.extra_compile_args += _WITHIN
    setup(ext_modules=extensions)


if __name__ == "__main__":
    main()
