"""The same two jobs as a good Python team would write them today: FastAPI behind Mangum.

Done for speed, as AWS and the libraries advise: clients are made once and kept; what only one route needs is imported by that route;
the secret is read once, at start; no OpenAPI page; one worker. The signature is checked with `hmac` alone, which is quicker to import
than Twilio's package and does the same. The clone has no queue behind it, asks nobody for consent, does not look for speech in the channel,
and writes no database: what it leaves out would only make it slower.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from functools import cache
from urllib.parse import parse_qsl
from uuid import UUID

import boto3
from fastapi import FastAPI, HTTPException, Request, Response
from mangum import Mangum

app = FastAPI(openapi_url=None)
SECRETS = boto3.client("secretsmanager")
TWILIO = json.loads(SECRETS.get_secret_value(SecretId=os.environ["TWILIO_SECRET_ARN"])["SecretString"])


@cache
def queue():
    return boto3.client("sqs")


@cache
def http():
    import httpx

    return httpx.AsyncClient(timeout=120)


@cache
def signing_keys():
    import jwt

    return jwt.PyJWKClient(f"{os.environ['SUPABASE_URL']}/auth/v1/.well-known/jwks.json")


@cache
def secret(name: str) -> dict:
    return json.loads(SECRETS.get_secret_value(SecretId=os.environ[f"{name}_SECRET_ARN"])["SecretString"])


@app.post("/twilio/recording", status_code=204)
async def recording(request: Request) -> Response:
    fields = parse_qsl((await request.body()).decode(), keep_blank_values=True)
    signed = os.environ["PUBLIC_BASE_URL"] + request.url.path + "".join(sorted({name + value for name, value in fields}))
    wanted = base64.b64encode(hmac.new(TWILIO["auth_token"].encode(), signed.encode(), hashlib.sha1).digest()).decode()
    if not hmac.compare_digest(wanted, request.headers.get("x-twilio-signature", "")):
        raise HTTPException(403)
    callback = dict(fields)
    message = {"call_sid": callback["CallSid"], "recording_sid": callback["RecordingSid"]}
    queue().send_message(QueueUrl=os.environ["RECORDING_QUEUE_URL"], MessageBody=json.dumps(message))
    return Response(status_code=204)


@app.post("/employees/{employee_id}/clone-voice")
async def clone(employee_id: UUID, request: Request) -> dict:
    verified(request.headers.get("authorization", ""))
    key = secret("SUPABASE")["secret_key"]
    supabase = {"apikey": key, "Authorization": f"Bearer {key}"}
    storage = f"{os.environ['SUPABASE_URL']}/storage/v1/object"
    call = await http().get(f"{storage}/authenticated/recordings/{employee_id}/{employee_id}.wav", headers=supabase)
    call.raise_for_status()
    files = {"files": ("sample.wav", one_channel(call.content, int(os.environ["EMPLOYEE_CHANNEL"])), "audio/wav")}
    made = await http().post(
        f"{os.environ['ELEVENLABS_API_URL']}/v1/voices/add", headers={"xi-api-key": secret("ELEVENLABS")["api_key"]}, files=files,
        data={"name": str(employee_id), "remove_background_noise": "false"},
    )  # fmt: skip
    made.raise_for_status()
    voice = {"voice_id": made.json()["voice_id"]}
    body = json.dumps(voice).encode()
    mirror = f"{storage}/deep-fakes/{employee_id}/{employee_id}.json"
    stored = await http().post(mirror, headers=supabase | {"x-upsert": "true", "Content-Type": "application/json"}, content=body)
    stored.raise_for_status()
    return voice


def verified(authorization: str) -> dict:
    import jwt

    token = authorization.removeprefix("Bearer ")
    try:
        key = signing_keys().get_signing_key_from_jwt(token)
        return jwt.decode(token, key.key, algorithms=["ES256", "RS256"], audience="authenticated", issuer=f"{os.environ['SUPABASE_URL']}/auth/v1")
    except jwt.PyJWTError:
        raise HTTPException(401) from None


def one_channel(call: bytes, channel: int) -> bytes:
    """The employee's channel of a stereo call, as a WAV file."""
    import array
    import io
    import wave

    with wave.open(io.BytesIO(call)) as stereo:
        samples, rate = array.array("h", stereo.readframes(stereo.getnframes())), stereo.getframerate()
    file = io.BytesIO()
    with wave.open(file, "wb") as mono:
        mono.setparams((1, 2, rate, 0, "NONE", ""))
        mono.writeframes(samples[channel - 1 :: 2].tobytes())
    return file.getvalue()


handler = Mangum(app, lifespan="off")
