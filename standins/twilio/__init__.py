"""Twilio's stand-in: recordings and their media, calls, and signed callbacks."""
