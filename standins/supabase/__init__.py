"""Supabase's stand-in: the gateway of a project, with Auth, Storage and PostgREST behind it."""
