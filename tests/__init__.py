"""A package by name, so that another ``tests`` that a distribution installs (Ciw's does) is not found before it."""
