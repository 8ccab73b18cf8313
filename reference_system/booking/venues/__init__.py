"""Venues, their services, and bookable slots with their capacity."""
