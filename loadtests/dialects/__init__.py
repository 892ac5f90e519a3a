"""One file for each API that can be tested, found by its name here or by the path of a Python file."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from loadtests.core.faults import InputError
from loadtests.core.redact import REDACTOR
from loadtests.dialect.contract import Dialect

_LONGEST = 200


def names() -> list[str]:
    """Return the names of the dialects in ``loadtests/dialects/``; a name that begins with a line is a part of one."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def load(name: str, environ: Mapping[str, str], samples: Mapping[str, Sequence[str]] | None = None) -> Dialect:
    """Return the dialect of that name, or in that Python file, with its secrets taken from the environment.

    ``samples`` are the example messages by ticket category, for a dialect that takes them. Raises InputError when there
    is no such dialect, or with each secret that is missing.
    """
    module = find(name)
    needed: tuple[str, ...] = module.SECRETS
    faults = [
        f"environment: {key}: got nothing; must hold a secret of the test system"
        for key in needed
        if not environ.get(key)
    ]
    if faults:
        raise InputError(faults)
    settings = {key: environ.get(key, value) for key, value in getattr(module, "SETTINGS", {}).items()}
    secrets = {key: environ[key] for key in needed}
    REDACTOR.learn(secrets)
    try:
        made: Dialect = module.create({**settings, **secrets})
    except InputError:
        raise
    except Exception as error:  # a user's file
        told = REDACTOR.cut(f"{type(error).__name__}: {error}", _LONGEST)
        raise InputError([f"--dialect: got {name}, whose create() failed ({told}); must return a dialect"]) from None
    if hasattr(made, "samples"):
        made.samples = samples or {}
    return made


def find(name: str) -> ModuleType:
    """Return the module of a dialect. Raises InputError when there is none, or it lacks a part."""
    if name.endswith(".py"):
        spec = importlib.util.spec_from_file_location(f"withstand_dialect_{Path(name).stem}", name)
        if not Path(name).is_file() or spec is None or spec.loader is None:
            raise InputError([f"--dialect: got {name}; must be a Python file that exists"])
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up by its name
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # a user's file
            rule = "must be a Python file that can be imported"
            raise InputError([f"--dialect: got {name} ({type(error).__name__}: {error}); {rule}"]) from None
    elif name in names():
        module = importlib.import_module(f"loadtests.dialects.{name}")
    else:
        close = difflib.get_close_matches(name, names(), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise InputError([f"--dialect: got {name}; must be one of {', '.join(names())} or a Python file{hint}"])
    missing = [part for part in ("SECRETS", "create") if not hasattr(module, part)]
    if missing:
        raise InputError([f"--dialect: got {name} without {' and '.join(missing)}; must define both"])
    return module
