"""Accounts: registration, login, sessions, credentials, and the deletion of all that a person left."""
