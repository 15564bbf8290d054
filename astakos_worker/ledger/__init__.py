"""The durable record of every commission: pure states, and two stores of one contract.

Imports nothing else of ours.
"""
