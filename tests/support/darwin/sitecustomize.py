"""Runs at the start of every Python that has this folder on its import path."""

import on_darwin

on_darwin.simulate()
