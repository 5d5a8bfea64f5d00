"""What a broken JSON text may mean, as the package `json-repair` guesses, in bounded time.

https://github.com/mangiucugna/json_repair. Import this module only when there is something to
repair: the package is slow to load and most gateways never need it. Some texts of a few kilobytes
cost its parser minutes, so every character that it looks at is counted.
"""

from __future__ import annotations

from typing import Any

from json_repair.json_parser import JSONParser

from callgate.core.repair.meter import Meter, SpentError


def propose(text: str, meter: Meter) -> object:
    """The value that the text may mean: dicts, lists, strings, numbers, booleans and None.

    Raises SpentError when the meter has run down, ValueError where the text makes no sense.
    """
    metered = _Metered(text)
    metered.meter = meter
    try:
        return JSONParser(metered, None, logging=False).parse()
    except SpentError:
        raise
    except Exception as error:  # such as its assertions, which some texts break
        raise ValueError(str(error)) from None


class _Metered(str):
    """A text that counts each look at it, and so does what is made of its beginning.

    The parser puts a text of its own in the place of the one it was given as
    `text[:a] + b + text[c:]`.
    """

    meter: Meter

    def __getitem__(self, key: Any) -> str:
        meter = self.meter
        meter.left -= 1
        if meter.left < 0:
            raise SpentError
        found = str.__getitem__(self, key)
        if key.__class__ is slice and key.start is None:
            return self._again(found)
        return found

    def __add__(self, other: str) -> _Metered:
        return self._again(str.__add__(self, other))

    def _again(self, text: str) -> _Metered:
        metered = _Metered(text)
        metered.meter = self.meter
        return metered
