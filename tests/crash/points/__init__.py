"""Kills at every commit point: before and after each step that changes a store."""
