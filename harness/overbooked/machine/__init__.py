"""Limits and delays of this machine and process, which are not properties of the system under test."""
