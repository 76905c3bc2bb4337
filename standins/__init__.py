"""Strict stand-ins for Twilio, ElevenLabs and Supabase, and for the PostgreSQL and the AWS that the bundle stands on: see README.md."""

from .running import Vendors, running

__all__ = ["Vendors", "running"]
