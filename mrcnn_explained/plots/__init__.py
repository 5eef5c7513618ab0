"""Plots: one module a stage, each function an image of that stage's result.

A plot computes nothing that a stage computes. Images are drawn in molded pixels; axes
given by the caller are used, else a figure is made. Nothing here touches pyplot's state.
"""
