"""ElevenLabs' stand-in: voices, what was generated with them, and the account's limits."""
