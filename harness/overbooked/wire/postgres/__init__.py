"""PostgreSQL's wire protocol at the gate, versions 3.0 and 3.2.

Source: the chapter 'Frontend/Backend Protocol' of the PostgreSQL manual.
"""
