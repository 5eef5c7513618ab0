"""Surveys: which pyramid level the boxes of many pictures read."""
