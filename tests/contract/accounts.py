"""The accounts that are asked: those whose keys stand in the environment, a storage server, or the stand-ins."""

from __future__ import annotations

from collections.abc import Mapping

from . import auth, database, twilio
from .account import Account, Wishes
from .stages import Stage, SupabaseStage, TwilioStage

TWILIO, ELEVENLABS = "https://api.twilio.com", "https://api.elevenlabs.io"
WITHOUT = {
    "twilio": "TWILIO_ACCOUNT_SID, and TWILIO_API_KEY_SID with TWILIO_API_KEY_SECRET or TWILIO_AUTH_TOKEN, are not set",
    "elevenlabs": "ELEVENLABS_API_KEY is not set",
    "storage": "SUPABASE_URL and SUPABASE_SECRET_KEY are not set",
    "database": "SUPABASE_URL and SUPABASE_SECRET_KEY are not set",
    "auth": "SUPABASE_URL and SUPABASE_SECRET_KEY are not set",
}
# They make what has to be there before the first question.
PREPARE = {"twilio": twilio.prepare, "database": database.prepare, "auth": auth.prepare}


def supabase(url: str, key: str, wishes: Wishes, database_url: str | None = None, stage: Stage | None = None) -> dict[str, Account]:
    headers = {"apikey": key, "Authorization": f"Bearer {key}"}
    accounts = {
        "storage": Account(f"{url}/storage/v1", headers, stage=stage, wishes=wishes),
        "database": Account(url, headers, stage=stage, wishes=wishes),
        "auth": Account(url, headers, stage=stage, wishes=wishes),
    }
    accounts["storage"].facts["gateway"] = True
    accounts["database"].facts["url"] = database_url
    return accounts


def of_environment(environment: Mapping[str, str], wishes: Wishes) -> dict[str, Account]:
    """The accounts that there are keys for. Signatures of callbacks need none."""

    def given(*names: str) -> list[str] | None:
        values = [environment.get(name, "") for name in names]
        return values if all(values) else None

    accounts = {"callbacks": Account("http://callbacks.invalid", wishes=wishes)}
    password = given("TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET") or given("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
    if (sid := given("TWILIO_ACCOUNT_SID")) and password:
        url = environment.get("TWILIO_API_URL") or TWILIO
        accounts["twilio"] = Account(url.rstrip("/"), auth=(password[0], password[1]), wishes=wishes)
        accounts["twilio"].facts["account_sid"] = sid[0]
    if key := given("ELEVENLABS_API_KEY"):
        url = environment.get("ELEVENLABS_API_URL") or ELEVENLABS
        accounts["elevenlabs"] = Account(url.rstrip("/"), {"xi-api-key": key[0]}, wishes=wishes)
    if project := given("SUPABASE_URL", "SUPABASE_SECRET_KEY"):
        accounts |= supabase(project[0].rstrip("/"), project[1], wishes, environment.get("SUPABASE_DB_URL"))
    return accounts


def of_storage_server(url: str, key: str, wishes: Wishes) -> dict[str, Account]:
    """The account of a server of supabase/storage alone, without a gateway in front."""
    account = Account(url.rstrip("/"), {"apikey": key, "Authorization": f"Bearer {key}"}, wishes=wishes)
    account.facts["gateway"] = False
    return {"storage": account}


def of_stand_ins(where: dict, database_url: str) -> dict[str, Account]:
    """`where`: as in the stack file; `database_url`: of the owner."""
    wishes = Wishes(speak=True)
    twilio_, elevenlabs = where["twilio"], where["elevenlabs"]
    stage = TwilioStage(twilio_["url"], twilio_)
    accounts = {
        "callbacks": Account(twilio_["url"], stage=stage),
        "twilio": Account(twilio_["url"], auth=(twilio_["api_key_sid"], twilio_["api_key_secret"]), stage=stage, wishes=wishes),
        "elevenlabs": Account(elevenlabs["url"], {"xi-api-key": elevenlabs["api_key"]}, stage=Stage(elevenlabs["url"]), wishes=wishes),
    }
    accounts["twilio"].facts["account_sid"] = twilio_["account_sid"]
    project = where["supabase"]
    return accounts | supabase(project["url"], project["secret_key"], wishes, database_url, SupabaseStage(project["url"]))
