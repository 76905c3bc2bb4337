"""ElevenLabs' stand-in: voices, the speech that was generated with them, and the account's limits."""
