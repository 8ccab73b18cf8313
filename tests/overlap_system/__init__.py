"""A small booking service whose booking is one autocommit statement that checks and inserts."""
