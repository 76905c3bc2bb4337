"""The laptop stack: stand-ins for the vendors, a database and a local AWS."""
