"""The type of a JSON object as `json.loads` returns it."""

from typing import Any

Json = dict[str, Any]
