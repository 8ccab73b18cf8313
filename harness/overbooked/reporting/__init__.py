"""Renderers of the scorecard: console, Markdown, JUnit, Allure; and the folder of a run."""
