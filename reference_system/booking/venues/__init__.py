"""What can be booked: venues, their services, and slots with their capacity."""
