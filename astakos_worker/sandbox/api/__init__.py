"""The calls of the Astakos API, one module for each part of it."""
