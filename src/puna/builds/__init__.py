"""The native engine: its toolchain, its build, its self-test, and which engine is used."""
