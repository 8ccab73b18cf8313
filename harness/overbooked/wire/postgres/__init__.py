"""PostgreSQL's wire protocol at the gate, versions 3.0 and 3.2, as the manual's chapter 'Frontend/Backend
Protocol' has it."""
