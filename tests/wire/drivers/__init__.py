"""Small programs of other languages' PostgreSQL drivers, run without the gate and through it."""
