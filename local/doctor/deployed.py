"""A deployment as the doctor sees it: the stack's parameters and outputs, its secrets, its vendors. Everything here only reads."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Callable
from urllib.parse import urlsplit

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from standins.aws.client import aws_client

from .finding import NotLookedAt
from .secret import VENDORS, normal, problem

# Seconds; whoever takes longer is out of reach.
PATIENCE = 15
# A single hiccup is no finding.
CLOUD = Config(retries={"total_max_attempts": 3}, connect_timeout=5, read_timeout=PATIENCE)


class NoStack(Exception):
    """There is no such stack, or these credentials may not see it."""


class Deployed:
    """`client` makes a boto3 client of a service. `api_url` is where requests to the API go, if not to the public base URL."""

    def __init__(self, client: Callable, stack_name: str, api_url: str | None = None, wishes: dict | None = None):
        self._client, self.stack_name, self._api_url = client, stack_name, api_url
        # The options of the command line: "callback_url", "call" and "from".
        self.wishes = wishes or {}
        self._clients: dict = {}
        self._secrets: dict = {}

    @classmethod
    def of_cloud(cls, stack_name: str, **wishes) -> "Deployed":
        """With the AWS credentials and region of the environment, as the AWS CLI finds them."""
        session = boto3.session.Session()
        return cls(lambda service: session.client(service, config=CLOUD), stack_name, wishes=wishes)

    @classmethod
    def of_stack_file(cls, stack: dict, **wishes) -> "Deployed":
        """The local one; `stack` is the content of stack.json."""
        aws = stack["aws"]
        where = aws["endpoint_url"], aws["region"], aws["access_key_id"], aws["secret_access_key"]
        return cls(lambda service: aws_client(service, *where), aws["stack_name"], stack["api_url"], wishes)

    # -- the stack ---------------------------------------------------------------------------------------------------------

    def aws(self, service: str):
        if service not in self._clients:
            self._clients[service] = self._client(service)
        return self._clients[service]

    @cached_property
    def stack(self) -> dict:
        """As CloudFormation describes it; raises NoStack."""
        try:
            return self.aws("cloudformation").describe_stacks(StackName=self.stack_name)["Stacks"][0]
        except ClientError as error:
            raise NoStack(f"AWS shows no stack {self.stack_name} to these credentials, in this region: {error.response['Error']['Code']}") from None
        except BotoCoreError as error:
            raise NoStack(f"AWS cannot be asked: {error}") from None

    @cached_property
    def parameters(self) -> dict[str, str]:
        return {one["ParameterKey"]: one["ParameterValue"] for one in self.stack["Parameters"]}

    @cached_property
    def outputs(self) -> dict[str, str]:
        return {one["OutputKey"]: one["OutputValue"] for one in self.stack["Outputs"]}

    @cached_property
    def resources(self) -> dict[str, dict[str, str]]:
        """Type → {logical id: physical id}."""
        found: dict = {}
        for page in self.aws("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.stack_name):
            for one in page["StackResourceSummaries"]:
                found.setdefault(one["ResourceType"], {})[one["LogicalResourceId"]] = one["PhysicalResourceId"]
        return found

    @property
    def public_base_url(self) -> str:
        return self.outputs["PublicBaseUrl"]

    @property
    def api_url(self) -> str:
        return self._api_url or self.public_base_url

    # -- its vendors -------------------------------------------------------------------------------------------------------

    def read_secret(self, vendor: str) -> dict:
        """The secret as it is; raises NotLookedAt with what is wrong with it, and botocore's errors."""
        arn = self.parameters[VENDORS[vendor].parameter]
        text = self.aws("secretsmanager").get_secret_value(SecretId=arn).get("SecretString", "")
        try:
            value = json.loads(text)
        except ValueError:
            raise NotLookedAt("it is no JSON") from None
        if wrong := problem(vendor, value):
            raise NotLookedAt(wrong)
        return normal(value)

    def secret(self, vendor: str) -> dict:
        """The secret, if it is one to go on with; raises NotLookedAt."""
        if vendor not in self._secrets:
            try:
                self._secrets[vendor] = self.read_secret(vendor)
            except (NotLookedAt, ClientError):
                raise NotLookedAt(f"the secret of {VENDORS[vendor].name} cannot be used") from None
        return self._secrets[vendor]

    def ask(self, method: str, url: str, **request) -> httpx.Response:
        """An answer, whatever its status; raises httpx.HTTPError. No redirect is followed: a key goes to its vendor's own address only."""
        loopback = urlsplit(url).hostname in ("127.0.0.1", "localhost")
        with httpx.Client(timeout=PATIENCE, trust_env=not loopback) as client:
            return client.request(method, url, **request)

    def supabase(self, method: str, path: str, **request) -> httpx.Response:
        key = self.secret("supabase")["secret_key"]
        headers = {"apikey": key, "Authorization": f"Bearer {key}"} | request.pop("headers", {})
        return self.ask(method, f"{self.parameters['SupabaseUrl']}{path}", headers=headers, **request)

    def elevenlabs(self, path: str) -> httpx.Response:
        headers = {"xi-api-key": self.secret("elevenlabs")["api_key"]}
        return self.ask("GET", f"{self.parameters['ElevenLabsApiUrl']}{path}", headers=headers)

    def twilio(self, method: str, path: str, auth: tuple[str, str], **request) -> httpx.Response:
        """Below the account's path."""
        account = self.secret("twilio")["account_sid"]
        return self.ask(method, f"{self.parameters['TwilioApiUrl']}/2010-04-01/Accounts/{account}{path}", auth=auth, **request)

    @property
    def twilio_logins(self) -> dict[str, tuple[str, str]]:
        """Everything in the secret that opens Twilio's REST API, by the name of the field. The first is what the functions use."""
        secret, found = self.secret("twilio"), {}
        if secret.get("api_key_sid") and secret.get("api_key_secret"):
            found["api_key_secret"] = secret["api_key_sid"], secret["api_key_secret"]
        if secret.get("auth_token"):
            found["auth_token"] = secret["account_sid"], secret["auth_token"]
        return found
