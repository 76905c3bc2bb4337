"""The laptop stack: starts the stand-ins and the bundle, and tells what happens there."""
