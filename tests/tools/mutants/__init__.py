"""Small changes of the product's sources, which its tests must notice: ``python -m tests.tools.mutants``.

``operators`` makes the changes, ``trials`` runs the tests that should notice each, ``subjects`` says which these are,
``named`` has faults that once survived, and ``equivalent.toml`` those that change nothing, each with the argument.
"""
