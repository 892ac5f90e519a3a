"""The JSON Schema of scenario files, for editors that complete and check TOML."""

from __future__ import annotations

from typing import Any

from sim.scenario.loading.files import OWN_KEYS
from sim.scenario.schema.scenario import Scenario


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file; each description holds the meaning, the unit and the rule.

    Nothing is required, since a file may inherit any key: missing keys are reported by ``withstand check``.
    """
    schema = Scenario.model_json_schema()
    text = {"type": "string", "minLength": 1}
    own: dict[str, Any] = {"extends": text, "remove": {"type": "array", "items": text}}
    schema["properties"] = {
        **{key: {**own[key], "description": about} for key, about in OWN_KEYS.items()},
        **schema["properties"],
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_for_editors(schema)}


def _for_editors(node: Any, *, names: bool = False) -> Any:
    """Return a schema with the rules in its descriptions and nothing required.

    ``names`` states that the node's keys are names of a scenario's keys, not words of JSON Schema.
    """
    if isinstance(node, list):
        return [_for_editors(each) for each in node]
    if not isinstance(node, dict):
        return node
    inner = {
        key: _for_editors(value, names=not names and key in ("properties", "$defs"))
        for key, value in node.items()
        if names or key not in ("required", "title", "discriminator", "oneOf", "x-rule", "default")
    }
    if names:
        return inner
    if "default" in node:
        inner["default"] = node["default"]
    if "oneOf" in node:  # without its switch, a table that inherits it fits several
        inner["anyOf"] = [_for_editors(each) for each in node["oneOf"]]
    if rule := node.get("x-rule"):
        about = inner.get("description")
        inner["description"] = f"{about}; {rule}" if about else rule
    return inner
