"""Tokens, keys, passwords, revoked sessions, allowed origins and sealed cursors."""
