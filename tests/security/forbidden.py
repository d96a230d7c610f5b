"""Finds, in the text of a module, what could run what stands in a file.

Names are followed through ``import ... as``, ``from ... import`` and simple assignments, and a mere mention counts, so
handing ``pickle.loads`` to ``map`` is found like calling it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

MODULES = frozenset(("cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "pandas.io.pickle"))
"""Not even imported."""
NAMES = {
    **dict.fromkeys(
        ("pickle.load", "pickle.loads", "pickle.Unpickler", "pickle._Unpickler", "pickle._load", "pickle._loads"),
        "unpickles",
    ),
    **dict.fromkeys(("numpy.load", "numpy.lib.npyio.NpzFile", "numpy.lib.format.read_array"), "may unpickle"),
    **dict.fromkeys(
        ("pandas.read_pickle", "torch.jit.load", "torch.package.PackageImporter", "torch.hub.load"), "runs"
    ),
    **dict.fromkeys(("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"), "builds any object"),
    **dict.fromkeys(("eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec"), "runs text"),
    **dict.fromkeys(("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"), "starts a shell"),
    "tempfile.mktemp": "is a name that anybody may take",
    "torch.load": "unpickles unless it says weights_only=True",
}
ATTRIBUTES = {"extractall": "writes wherever an archive says", "unpack_archive": "writes wherever an archive says"}
"""Of whatever object."""
_SAFE_CALLS = {
    "torch.load": ("weights_only", True, False),
    "numpy.load": ("allow_pickle", False, True),
    "numpy.lib.format.read_array": ("allow_pickle", False, True),
}
"""Which of these are fine when called with this argument, and whether it is the default."""


def unsafe(source: str) -> list[str]:
    """Each finding as ``line N: what``."""
    tree = ast.parse(source)
    names = _imported(tree)
    safe = {id(call.func) for call in _calls(tree) if _is_safe(call, _dotted(call.func, names))}
    found = []
    for node in ast.walk(tree):
        for what in _findings(node, names):
            if id(node) not in safe:
                found.append(f"line {getattr(node, 'lineno', 0)}: {what}")
    return found


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _is_safe(call: ast.Call, name: str) -> bool:
    if name not in _SAFE_CALLS:
        return False
    wanted, value, is_default = _SAFE_CALLS[name]
    given = {option.arg: option.value for option in call.keywords}
    if wanted in given:
        found = given[wanted]
        return isinstance(found, ast.Constant) and found.value is value
    return is_default and None not in given and len(call.args) < 3  # no ``**options``, nor by position


def _findings(node: ast.AST, names: dict[str, str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (f"imports {each.name}" for each in node.names if _is_forbidden(each.name))
    elif isinstance(node, ast.ImportFrom):
        yield from _from(node)
    elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
        name = _dotted(node, names)
        if name in NAMES:
            yield f"{name} {NAMES[name]}"
        elif isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
            yield f"{node.attr} {ATTRIBUTES[node.attr]}"
    elif isinstance(node, ast.Call):
        yield from _call(node, names)


def _from(node: ast.ImportFrom) -> Iterator[str]:
    module = node.module or ""
    for each in node.names:
        name = f"{module}.{each.name}"
        if _is_forbidden(module) or _is_forbidden(name):
            yield f"imports {name}"
        elif name in NAMES and name not in _SAFE_CALLS:
            yield f"imports {name}, which {NAMES[name]}"


def _call(node: ast.Call, names: dict[str, str]) -> Iterator[str]:
    called = _dotted(node.func, names)
    for option in node.keywords:
        constant = option.value.value if isinstance(option.value, ast.Constant) else None
        if option.arg == "allow_pickle" and constant is not False:
            yield f"{called} with allow_pickle"
        elif option.arg == "shell" and constant is not False:
            yield f"{called} with a shell"
        elif option.arg == "weights_only" and constant is not True:
            yield f"{called} without weights_only"
    texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    if called == "getattr" and node.args:
        owner = _dotted(node.args[0], names)
        yield from (f"getattr of {owner}.{text}" for text in texts if f"{owner}.{text}" in NAMES or text in ATTRIBUTES)
    if called == "importlib.import_module":
        yield from (f"imports {text}" for text in texts if _is_forbidden(text) or text in ("pickle", "yaml"))


def _is_forbidden(module: str) -> bool:
    return any(module == each or module.startswith(f"{each}.") for each in MODULES)


def _imported(tree: ast.AST) -> dict[str, str]:
    """What each name of the module stands for."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                names[each.asname or each.name.partition(".")[0]] = (
                    each.name if each.asname else each.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.update({each.asname or each.name: f"{node.module}.{each.name}" for each in node.names})
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Attribute):
            meant = _dotted(node.value, names)
            if meant.partition(".")[0] in ("torch", "pickle", "numpy", "yaml", "os", "builtins"):
                names.update({each.id: meant for each in node.targets if isinstance(each, ast.Name)})
    return names


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    """The full name of what a node mentions; empty for an expression."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value, names)
        return f"{owner}.{node.attr}" if owner else ""
    return ""
