"""Two organisations with a few people each: enough to show that nobody reaches across.

The ids are fixed, so that a URL from a shell's history works on the next stack too. The names are made up.
"""

from __future__ import annotations

import psycopg

from .supabase.auth import Auth

ORGANIZATIONS = [
    {
        "id": "10000000-0000-4000-8000-000000000001",
        "name": "Harbour Lights Dental",
        "users": [
            {"id": "11000000-0000-4000-8000-000000000001", "role": "admin", "email": "admin@harbour.example"},
            {"id": "11000000-0000-4000-8000-000000000002", "role": "member", "email": "member@harbour.example"},
        ],
        "employees": [
            {"id": "12000000-0000-4000-8000-000000000001", "full_name": "Alice Tremaine", "email": "alice@harbour.example", "phone": "+15555550101"},
            {"id": "12000000-0000-4000-8000-000000000002", "full_name": "Bruno Oyelaran", "email": "bruno@harbour.example", "phone": "+15555550102"},
        ],
    },
    {
        "id": "20000000-0000-4000-8000-000000000001",
        "name": "Quarry Street Bikes",
        "users": [
            {"id": "21000000-0000-4000-8000-000000000001", "role": "admin", "email": "admin@quarry.example"},
            {"id": "21000000-0000-4000-8000-000000000002", "role": "member", "email": "member@quarry.example"},
        ],
        "employees": [
            {"id": "22000000-0000-4000-8000-000000000001", "full_name": "Chiara Lindqvist", "email": "chiara@quarry.example", "phone": "+15555550201"},
            {"id": "22000000-0000-4000-8000-000000000002", "full_name": "Deniz Abara", "email": "deniz@quarry.example", "phone": "+15555550202"},
        ],
    },
]  # fmt: skip


def seed(database_url: str) -> None:
    """Inserts what is not there yet. Needs a role that owns the tables."""
    with psycopg.connect(database_url) as connection:
        for organization in ORGANIZATIONS:
            org = organization["id"]
            connection.execute(
                "insert into public.organizations (id, name) values (%s, %s) on conflict (id) do nothing", [org, organization["name"]]
            )
            for user in organization["users"]:
                connection.execute(
                    "insert into public.users (id, org_id, email, role) values (%s, %s, %s, %s) on conflict (id) do nothing",
                    [user["id"], org, user["email"], user["role"]],
                )
            for employee in organization["employees"]:
                connection.execute(
                    "insert into public.employees (id, org_id, full_name, email, phone) values (%s, %s, %s, %s, %s) on conflict (id) do nothing",
                    [employee["id"], org, employee["full_name"], employee["email"], employee["phone"]],
                )


def organizations(auth: Auth, days: int = 7) -> list[dict]:
    """The `organizations` of the stack file: with a token for each user."""
    return [
        {
            "id": organization["id"],
            "name": organization["name"],
            "users": [
                {"id": user["id"], "role": user["role"], "token": auth.mint(user["id"], user["email"], expires_in=days * 86400)}
                for user in organization["users"]
            ],
            "employees": [{"id": employee["id"], "full_name": employee["full_name"]} for employee in organization["employees"]],
        }
        for organization in ORGANIZATIONS
    ]
