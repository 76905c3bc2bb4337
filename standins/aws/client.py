"""Clients of the local AWS. They use no proxy, and do not repeat a request that fails."""

from __future__ import annotations

from threading import Lock

import boto3
from botocore.config import Config

CONFIG = Config(retries={"total_max_attempts": 1}, proxies={})

# A session parses the description of a service once, which takes 0.1 s; so all clients come from one session. Threads may
# share a client, but must not make clients of one session at the same time.
_session = boto3.session.Session()
_making = Lock()


def aws_client(service: str, endpoint_url: str, region: str, aws_access_key_id: str, aws_secret_access_key: str):
    """A new boto3 client, with connections of its own."""
    with _making:
        return _session.client(
            service, endpoint_url=endpoint_url, region_name=region, config=CONFIG,
            aws_access_key_id=aws_access_key_id, aws_secret_access_key=aws_secret_access_key,
        )
