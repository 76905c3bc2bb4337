"""Clients of the local AWS, which stands behind no proxy and is asked once."""

from __future__ import annotations

from threading import Lock

import boto3
from botocore.config import Config

CONFIG = Config(retries={"total_max_attempts": 1}, proxies={})

# One for all: a session reads the description of a service once, which takes longer than most calls. Its clients may be
# used by many threads; making them may not.
_session = boto3.session.Session()
_making = Lock()


def aws_client(service: str, endpoint_url: str, region: str, aws_access_key_id: str, aws_secret_access_key: str):
    """A boto3 client that keeps no connection from another one's time."""
    with _making:
        return _session.client(
            service, endpoint_url=endpoint_url, region_name=region, config=CONFIG,
            aws_access_key_id=aws_access_key_id, aws_secret_access_key=aws_secret_access_key,
        )
