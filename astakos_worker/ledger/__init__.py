"""The durable record of every commission: pure rules about states, and two stores of one contract.

Runs in every process that reads or writes commissions. Imports nothing of ours but
`configuration`; knows no HTTP and no queue.
"""
