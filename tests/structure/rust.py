"""Reading Rust, as far as its modules and functions need it.

A file takes from another one whatever its `use` declarations and its paths (`crate::…`, `super::…`, a child's name) lead to.
Re-exports are followed to the file that defines the name. A module that declares its children, or re-exports them, takes
nothing from them. Code under `#[cfg(test)]` does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from .circles import Graph

# Comments, and what may hold braces or words that are not code. A lifetime is no character.
NOT_CODE = re.compile(
    r"""//[^\n]* | (?P<block>/\*) | \b[bc]?r(?P<hashes>\#*)".*?"(?P=hashes) | \b[bc]?"(?:\\.|[^"\\])*" | "(?:\\.|[^"\\])*" | b?'(?:\\.[^']*|[^'\\])'""",
    re.VERBOSE | re.DOTALL,
)
TEST = re.compile(r"#\[cfg\(test\)\]")
USE = re.compile(r"(?P<public>\bpub\s*(?:\([^)]*\)\s*)?)?\buse\s+(?P<tree>[^;]+);")
MOD = re.compile(r"(?P<path>#\[path[^\]]*\]\s*)?(?:\bpub\s*(?:\([^)]*\)\s*)?)?\bmod\s+(?P<name>\w+)\s*;")
ITEM = re.compile(r"\b(?:const|enum|fn|static|struct|trait|type|union)\s+(\w+)")
FUNCTION = re.compile(r"\bfn\s+(?P<name>\w+)")


def code_of(source: str) -> str:
    """The text with everything blanked that is not code, or is code of tests; every line keeps its place."""
    code, at = [], 0
    while found := NOT_CODE.search(source, at):
        end = _end_of_comment(source, found.start()) if found["block"] else found.end()
        code += [source[at : found.start()], _blank(source[found.start() : end])]
        at = end
    return _without_tests("".join(code) + source[at:])


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _end_of_comment(source: str, start: int) -> int:
    """Block comments nest."""
    depth = 0
    for mark in re.finditer(r"/\*|\*/", source[start:]):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return start + mark.end()
    return len(source)


def _without_tests(code: str) -> str:
    while found := TEST.search(code):
        _, end = body_of(code, found.end())
        code = code[: found.start()] + _blank(code[found.start() : end]) + code[end:]
    return code


def body_of(code: str, start: int) -> tuple[int, int]:
    """The beginning and the end of the body of an item; both are its end when it has none."""
    depth = 0
    for at in range(start, len(code)):
        if code[at] in "([{":
            if code[at] == "{" and depth == 0:
                return at, _closing(code, at) + 1
            depth += 1
        elif code[at] in ")]}":
            depth -= 1
        elif code[at] == ";" and depth == 0:
            return at + 1, at + 1
    return len(code), len(code)


def _closing(code: str, opening: int) -> int:
    depth = 0
    for at in range(opening, len(code)):
        depth += {"{": 1, "}": -1}.get(code[at], 0)
        if depth == 0:
            return at
    return len(code)


def functions(source: str) -> Iterator[tuple[str, int]]:
    """Each function with its number of lines, from `fn` to its closing brace; those of tests are left out."""
    code = code_of(source)
    for found in FUNCTION.finditer(code):
        opening, end = body_of(code, found.end())
        if opening < end:
            yield found["name"], code.count("\n", found.start(), end) + 1


@dataclass
class Module:
    file: str
    code: str
    parent: Module | None
    children: dict[str, Module] = field(default_factory=dict)
    # A name that this module has from elsewhere, with its path; those that it hands on.
    names: dict[str, list[str]] = field(default_factory=dict)
    public: set[str] = field(default_factory=set)
    globs: list[list[str]] = field(default_factory=list)

    def known(self) -> set[str]:
        """The names that it has without a glob."""
        return {*self.children, *self.names, *ITEM.findall(self.code)}


class Crate:
    """The modules of a crate, from its root file on. `sources` are the texts of all files by their paths."""

    def __init__(self, root: str, sources: dict[str, str]):
        self.sources = sources
        self.modules: list[Module] = []
        self.root = self._load(root, None, PurePosixPath(root).parent)

    def _load(self, file: str, parent: Module | None, folder: PurePosixPath) -> Module:
        code = code_of(self.sources[file])
        module = Module(file, code, parent)
        self.modules.append(module)
        for use in USE.finditer(code):
            for path, name in _leaves(re.sub(r"\s+", " ", use["tree"])):
                if name == "*":
                    module.globs.append(path)
                else:
                    module.names[name] = path
                    module.public |= {name} if use["public"] else set()
        for declared in MOD.finditer(code):
            name = declared["name"]
            places = (f"{folder / name}.rs", f"{folder / name}/mod.rs")
            # Another crate's file, by `#[path]`, is read where it belongs.
            if not declared["path"] and (place := next((place for place in places if place in self.sources), None)):
                module.children[name] = self._load(place, module, folder / name)
        return module

    def graph(self) -> Graph:
        graph: Graph = {module.file: set() for module in self.modules}
        for module in self.modules:
            graph[module.file] |= {file for file in self._taken(module) if file != module.file}
        return graph

    def _taken(self, module: Module) -> Iterator[str]:
        for name, path in module.names.items():
            file = self._file(module, path)
            if file and not (name in module.public and file in self._below(module)):
                yield file
        for path in module.globs:
            if (file := self._file(module, path)) and file not in self._below(module):
                yield file
        body = USE.sub(lambda use: _blank(use[0]), module.code)
        for found in re.finditer(r"(?<![\w:])(?P<path>\w+(?:\s*::\s*\w+)+)", body):
            if file := self._file(module, re.split(r"\s*::\s*", found["path"])):
                yield file

    def _below(self, module: Module) -> set[str]:
        return {file for child in module.children.values() for file in {child.file} | self._below(child)}

    def _file(self, module: Module, path: list[str]) -> str | None:
        """The file that a path leads to from a module; none if it leads out of the crate."""
        found = self._resolve(module, path, frozenset())
        return found.file if found else None

    def _resolve(self, module: Module, path: list[str], on_the_way: frozenset) -> Module | None:
        if (module.file, tuple(path)) in on_the_way:
            return None
        on_the_way |= {(module.file, tuple(path))}
        here, rest = module, path
        while rest and rest[0] in ("crate", "self", "super"):
            here = {"crate": self.root, "self": here, "super": here.parent}[rest[0]]
            rest = rest[1:]
            if here is None:
                return None
        has_start = rest is not path
        for n, name in enumerate(rest):
            if name in here.children:
                here, has_start = here.children[name], True
            elif name in here.names:
                by_name = self._resolve(here, here.names[name] + rest[n + 1 :], on_the_way)
                return by_name or (here if has_start else None)
            elif by_glob := [module for module in self._globbed(here, on_the_way) if name in module.known()]:
                return self._resolve(by_glob[0], ["self", *rest[n:]], on_the_way)
            else:
                # An item, or what an item has.
                return here if has_start else None
        return here if has_start else None

    def _globbed(self, module: Module, on_the_way: frozenset) -> list[Module]:
        found = (self._resolve(module, path, on_the_way) for path in module.globs)
        return [other for other in found if other and other is not module]


def _leaves(tree: str) -> Iterator[tuple[list[str], str]]:
    """The paths of a `use` declaration, each with the name that it gives."""
    tree = tree.strip()
    if not tree:
        return
    head, brace, inner = tree.partition("{")
    if brace:
        start = [part.strip() for part in head.split("::") if part.strip()]
        for branch in _branches(inner.rstrip().removesuffix("}")):
            for path, name in _leaves(branch):
                whole = start if path == ["self"] else start + path
                yield whole, (whole[-1] if name == "self" else name)
        return
    path, _, alias = tree.partition(" as ")
    parts = [part.strip() for part in path.split("::") if part.strip()]
    if parts[-1] == "*":
        yield parts[:-1], "*"
    else:
        yield parts, alias.strip() or parts[-1]


def _branches(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for at, char in enumerate(text):
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and depth == 0:
            yield text[start:at]
            start = at + 1
    yield text[start:]
