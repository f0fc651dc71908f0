"""Scripts of this directory that take parts of one another; their names end in nothing, so `import` does not find them."""

import importlib.machinery
import importlib.util
import pathlib
import sys


def beside(name):
    """The script of this name, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, str(pathlib.Path(__file__).resolve().parent / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module
