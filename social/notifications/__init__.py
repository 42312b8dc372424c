"""Notifications: which event causes one, whom it may reach, and how it is kept and replayed."""
