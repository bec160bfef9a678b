"""Checks grade what the readers found: findings with kind, severity, span and sentence."""
