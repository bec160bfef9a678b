"""The package can be imported where the modules of Unix are missing: Windows has no fcntl, resource or pwd."""

import subprocess
import sys

CODE = """
import builtins, pkgutil, importlib, sys

import rlhf

missing = {"fcntl", "resource", "pwd", "grp", "termios"}
imports = builtins.__import__

def without(name, globals=None, *rest, **named):
    # For this package alone: what it stands on knows by itself which system it is on.
    if name.partition(".")[0] in missing and str((globals or {}).get("__name__")).startswith("rlhf"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return imports(name, globals, *rest, **named)

builtins.__import__ = without
for name in [name for name in sys.modules if name.startswith("rlhf")]:
    del sys.modules[name]
found = [module.name for module in pkgutil.walk_packages(importlib.import_module("rlhf").__path__, "rlhf.")]
for name in found:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(found))
"""


def test_every_module_can_be_imported_without_the_modules_of_unix() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 150
