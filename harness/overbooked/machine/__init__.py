"""This machine and this process: limits and delays that are no property of the system under test."""
