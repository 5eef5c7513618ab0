"""Surveys: which pyramid level the boxes of many images read."""
