"""AWS on this machine: a server with IAM enforced for the stack, and queues and secrets alone for the fault matrix."""
