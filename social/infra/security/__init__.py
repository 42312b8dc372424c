"""Tokens, keys, passwords, revoked sessions, allowed origins and trusted proxies."""
