"""Command-line options of the staging server, and the settings that they make."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from loadtests.staging.settings import RULES, Settings, SettingsError, fault, is_url, secrets_from

TEMPORARY = ":temporary:"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one option per field of Settings, named like it (``--review-share``).

    Values stay text until ``settings_from`` reads them, so that all faults come in one list.
    """
    for field in fields(Settings):
        parser.add_argument(
            _flag(field.name),
            default=None,
            metavar=_metavar(field.name),
            help=f"{RULES[field.name].meaning} (default: {_shown(field.default)})".replace("%", "%%"),
        )


def settings_from(args: argparse.Namespace, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the Settings of parsed options; what is not given keeps its default.

    Raises SettingsError with the list of all faults, also those of the secrets in ``environ`` (the process's by
    default), which the server will need.
    """
    faults: list[str] = []
    values: dict[str, Any] = {}
    for field in fields(Settings):
        text = getattr(args, field.name, None)
        if text is None:
            continue
        try:
            values[field.name] = _parsed(str(field.type), text)
        except ValueError:
            faults.append(fault(field.name, text))
    try:
        settings = Settings(**values)
    except SettingsError as error:
        faults += error.faults
    try:
        secrets_from(os.environ if environ is None else environ)
    except SettingsError as error:
        faults += error.faults
    if faults:
        raise SettingsError(faults)
    return settings


def _parsed(kind: str, text: str) -> Any:
    if kind.startswith("int"):
        return int(text)
    if kind.startswith("float"):
        return float(text)
    if kind.startswith("Path"):
        return None if text == TEMPORARY else text if is_url(text) else Path(text)
    return text


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _metavar(name: str) -> str:
    return {"host": "HOST", "database": "PATH|URL", "port": "P"}.get(name, name.rsplit("_", 1)[-1].upper())


def _shown(default: object) -> str:
    return "none" if default is None else str(default)
