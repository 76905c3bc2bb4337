"""Imports of Python packages and of JavaScript modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from posixpath import dirname, join, normpath

from .circles import Graph

JS_IMPORT = re.compile(
    r"""^\s*(?:import|export)\b(?:[^;"'`]*?\bfrom\b)?\s*["'](?P<static>\.{1,2}/[^"']+)["'] | \bimport\(\s*["'](?P<dynamic>\.{1,2}/[^"']+)["']""",
    re.MULTILINE | re.VERBOSE,
)


def python_graph(sources: dict[str, str]) -> Graph:
    """By paths; imports inside functions count as well."""
    modules = {_module_name(path): path for path in sources}
    graph: Graph = {}
    for path, source in sources.items():
        names = {name for node in ast.walk(ast.parse(source)) for name in _imported(node, path)}
        graph[path] = {file for file in (_python_file(name, modules) for name in names) if file and file != path}
    return graph


def _module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imported(node: ast.AST, path: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = path.split("/")[: -node.level] if node.level else []
        start = ".".join([*package, *([node.module] if node.module else [])])
        yield from (f"{start}.{alias.name}" for alias in node.names)


def _python_file(name: str, modules: dict[str, str]) -> str | None:
    """A name is a module, or stands in one."""
    return modules.get(name) or modules.get(name.rpartition(".")[0])


def js_graph(sources: dict[str, str]) -> Graph:
    return {path: {file for file in _js_files(path, source) if file in sources and file != path} for path, source in sources.items()}


def _js_files(path: str, source: str) -> Iterator[str]:
    for found in JS_IMPORT.finditer(source):
        file = normpath(join(dirname(path), found["static"] or found["dynamic"]))
        # TypeScript names the file that will be compiled from it.
        yield from (file, f"{file}.ts", re.sub(r"\.js$", ".ts", file))
