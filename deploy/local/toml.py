"""Writes the small part of TOML that our configuration files need."""

import json


def value(item):
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, (int, float)):
        return str(item)
    if isinstance(item, (list, tuple)):
        return "[" + ", ".join(value(each) for each in item) + "]"
    # A JSON string is a TOML basic string.
    return json.dumps(str(item))


def document(table):
    """Plain keys first, then each table under its own header."""
    plain = [f"{key} = {value(item)}" for key, item in table.items() if not isinstance(item, dict)]
    for name, inner in table.items():
        if isinstance(inner, dict):
            plain += ["", f"[{name}]"] + [f"{json.dumps(key)} = {value(item)}" for key, item in inner.items()]
    return "\n".join(plain) + "\n"
