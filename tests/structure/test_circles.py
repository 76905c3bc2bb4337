"""The modules take from each other in one direction: no circle of files, in no language."""

from __future__ import annotations

import tomllib
from pathlib import PurePosixPath

import pytest

from .circles import circles
from .files import files, text
from .imports import js_graph, python_graph
from .rust import Crate

RUST = {path: text(path) for path in files(".rs")}


def roots() -> list[str]:
    """The root file of every crate's library and programs."""
    found = []
    for manifest in files("Cargo.toml"):
        folder, content = PurePosixPath(manifest).parent, tomllib.loads(text(manifest))
        targets = [content.get("lib", {}), *content.get("bin", [])]
        named = [str(folder / target["path"]) for target in targets if "path" in target]
        found += [path for path in [*named, str(folder / "src/lib.rs"), str(folder / "src/main.rs")] if path in RUST]
    return sorted(set(found))


def all_circles() -> list[list[str]]:
    graphs = [Crate(root, RUST).graph() for root in roots()]
    graphs.append(python_graph({path: text(path) for path in files(".py")}))
    graphs.append(js_graph({path: text(path) for path in files(".js", ".mjs", ".ts")}))
    return [circle for graph in graphs for circle in circles(graph)]


def test_no_files_take_from_each_other_in_a_circle():
    assert all_circles() == []


def test_every_crate_is_read():
    assert {"shared/src/lib.rs", "functions/clone-worker/src/main.rs"} < set(roots())
    assert Crate("shared/src/lib.rs", RUST).graph().keys() > {"shared/src/recordings.rs", "shared/src/clients/twilio/sid.rs"}


def rust_circles(**sources: str) -> list[list[str]]:
    return circles(Crate("lib.rs", {f"{name.replace('__', '/')}.rs": source for name, source in sources.items()}).graph())


@pytest.mark.parametrize(
    "a, b",
    [
        ("use crate::b::B;", "use crate::a::A;"),
        ("use crate::b::{self, B};", "use super::a::{A, C as D};"),
        ("fn f() -> crate::b::B { todo!() }", "impl super::a::A {}"),
        ("use crate::B;", "use crate::a;\nconst C: u8 = a::A;"),
    ],
)
def test_two_rust_modules_that_take_from_each_other_are_a_circle(a, b):
    assert rust_circles(lib="pub mod a;\nmod b;\npub use b::B;", a=a, b=b) == [["a.rs", "b.rs"]]


@pytest.mark.parametrize(
    "a",
    [
        "",
        "// use crate::b::B;",
        'const A: &str = "{ crate::b::B";',
        "const A: &str = r#\"\"crate::b::B\"#;",
        "/* /* */ use crate::b::B; */",
        "#[cfg(test)]\nmod tests {\n    use crate::b::B;\n    const OPEN: char = '{';\n}",
        "#[cfg(test)]\nuse crate::b::B;",
        "use b::B;",
    ],
)
def test_what_is_no_code_or_code_of_tests_makes_no_circle(a):
    assert rust_circles(lib="mod a;\nmod b;", a=a, b="use crate::a::A;\nfn f<'a>(x: &'a str) {}") == []


def test_a_module_that_declares_and_re_exports_its_children_takes_nothing_from_them():
    lib = "mod a;\npub use a::child::Child;"
    assert rust_circles(lib=lib, a="pub mod child;\npub use child::Child;\npub struct A;", a__child="use super::A;\npub struct Child(A);") == []


def test_a_module_that_uses_its_child_and_is_used_by_it_is_a_circle():
    assert rust_circles(lib="mod a;", a="mod child;\nfn f() { child::g() }\npub struct A;", a__child="use super::A;") == [["a.rs", "a/child.rs"]]


def test_a_name_is_followed_through_re_exports_to_its_file():
    sources = {"lib": "mod a;\nmod b;\nmod c;", "a": "mod inner;\npub use inner::Inner;", "a__inner": "use crate::b::B;", "b": "use crate::c::*;", "c": "pub use crate::a::Inner;"}
    assert rust_circles(**sources) == [["a/inner.rs", "b.rs", "c.rs"]]


def test_two_python_modules_that_import_each_other_are_a_circle():
    sources = {"p/__init__.py": "", "p/a.py": "from . import b", "p/b.py": "def f():\n    from p.a import x", "p/c.py": "import p.a"}
    assert circles(python_graph(sources)) == [["p/a.py", "p/b.py"]]


def test_two_javascript_modules_that_import_each_other_are_a_circle():
    sources = {"c/a.js": 'import {\n  b,\n} from "./b.js";', "c/b.js": 'export { a } from "../c/a.js";', "c/d.js": 'import "./a.js"; // import "./d.js"'}
    assert circles(js_graph(sources)) == [["c/a.js", "c/b.js"]]
