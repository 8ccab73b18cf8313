"""Seeded defects of the reference booking service: one folder per theme, one module per gap.

The mutants of the gap `SYS-03` are in a module `sys_03`, in any folder here; `registry` finds it by name.
"""
