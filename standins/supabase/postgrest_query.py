"""From a PostgREST request to SQL: function calls by named arguments, and filters of a GET."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from psycopg import AsyncConnection, sql

OPERATORS = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "like": "like", "ilike": "ilike"}
IS = {"null", "not_null", "true", "false", "unknown"}
RESERVED = {"select", "order", "limit", "offset", "apikey"}

_FUNCTIONS = """
select p.oid::int8,
       coalesce(p.proargnames[1:p.pronargs], '{}'),
       array(select format_type(t, null) from unnest(p.proargtypes) with ordinality as a(t, n) order by n),
       p.pronargs - p.pronargdefaults,
       p.proretset,
       p.prorettype = 'void'::regtype
from pg_catalog.pg_proc p
where p.proname = %s and p.pronamespace = 'public'::regnamespace and p.prokind = 'f'
order by p.oid
"""


class Unreadable(ValueError):
    """PostgREST, or this part of it, does not understand a filter."""


@dataclass
class Call:
    statement: sql.Composable
    parameters: bool
    void: bool


async def find_call(connection: AsyncConnection, name: str, given: set[str]) -> Call | None:
    """The function of this name that takes exactly these arguments, the ones with defaults left out or not."""
    for oid, names, types, required, is_set, void in await (await connection.execute(_FUNCTIONS, [name])).fetchall():
        if not given <= set(names) or not set(names[:required]) <= given:
            continue
        function = sql.Identifier("public", name)
        used = [(argument, kind) for argument, kind in zip(names, types) if argument in given]
        values = sql.SQL("{} => _args.{}")
        call = sql.SQL("{}({})").format(function, sql.SQL(", ").join(values.format(sql.Identifier(a), sql.Identifier(a)) for a, _ in used))
        result = sql.SQL("coalesce(json_agg(_r), '[]')::text") if is_set else sql.SQL("to_json(_r)::text")
        if void:
            result = sql.SQL("count(*)::text")
        if used:
            columns = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(a), sql.SQL(kind)) for a, kind in used)
            source = sql.SQL("json_to_record(%s::json) as _args({}), lateral {} as _r").format(columns, call)
        else:
            source = sql.SQL("{} as _r").format(call)
        return Call(sql.SQL("select {} from {}").format(result, source), bool(used), void)
    return None


@dataclass
class Select:
    table: str
    columns: list[str]
    conditions: list[sql.Composable] = field(default_factory=list)
    order: list[sql.Composable] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0

    @classmethod
    def read(cls, table: str, query) -> "Select":
        """Raises Unreadable."""
        columns = [c.strip() for c in query.get("select", "*").split(",") if c.strip()]
        if any(not re.fullmatch(r"\*|\w+", column) for column in columns):
            raise Unreadable(f"select parameter ({query['select']})")
        select = cls(table, columns or ["*"])
        for name, value in query.items():
            if name == "order":
                select.order = [_order(part) for part in value.split(",")]
            elif name in ("limit", "offset"):
                if not value.isdigit():
                    raise Unreadable(f"{name} parameter ({value})")
                setattr(select, name, int(value))
            elif name not in RESERVED:
                select.conditions.append(_condition(name, value))
        return select

    def statement(self) -> sql.Composable:
        wanted = sql.SQL(", ").join(sql.SQL("*") if c == "*" else sql.Identifier(c) for c in self.columns)
        text = sql.SQL("select {} from {}").format(wanted, sql.Identifier("public", self.table))
        if self.conditions:
            text += sql.SQL(" where ") + sql.SQL(" and ").join(self.conditions)
        if self.order:
            text += sql.SQL(" order by ") + sql.SQL(", ").join(self.order)
        if self.limit is not None:
            text += sql.SQL(" limit {}").format(sql.Literal(self.limit))
        text += sql.SQL(" offset {}").format(sql.Literal(self.offset))
        return sql.SQL("select row_to_json(_rows)::text from ({}) as _rows").format(text)


def _condition(column: str, text: str) -> sql.Composable:
    negated = text.startswith("not.")
    operator, dot, value = text.removeprefix("not.").partition(".")
    if not dot:
        raise Unreadable(f"filter ({text})")
    name = sql.Identifier(column)
    if operator in OPERATORS:
        value = value.replace("*", "%") if "like" in operator else value
        # A literal of unknown type, so that PostgreSQL reads it as the column's type.
        condition = sql.SQL("{} {} {}").format(name, sql.SQL(OPERATORS[operator]), sql.Literal(value))
    elif operator == "is" and value.lower() in IS:
        condition = sql.SQL("{} is {}").format(name, sql.SQL(value.lower().replace("_", " ")))
    elif operator == "in" and re.fullmatch(r"\(.*\)", value, re.S):
        values = [quoted or plain for quoted, plain in re.findall(r'"((?:[^"\\]|\\.)*)"|([^,"]+)', value[1:-1])]
        if not values:
            return sql.SQL("true" if negated else "false")
        condition = sql.SQL("{} in ({})").format(name, sql.SQL(", ").join(map(sql.Literal, values)))
    else:
        raise Unreadable(f"filter ({text})")
    return sql.SQL("not ({})").format(condition) if negated else condition


def _order(text: str) -> sql.Composable:
    found = re.fullmatch(r"(\w+)(?:\.(asc|desc))?(?:\.(nullsfirst|nullslast))?", text)
    if not found:
        raise Unreadable(f"order ({text})")
    column, direction, nulls = found.groups()
    return sql.SQL("{} {} {}").format(
        sql.Identifier(column), sql.SQL(direction or "asc"), sql.SQL({"nullsfirst": "nulls first", "nullslast": "nulls last"}.get(nulls, ""))
    )
