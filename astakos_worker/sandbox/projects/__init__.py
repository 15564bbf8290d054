"""What may happen to projects and who may do it: rules over a world, without HTTP.

A rule that is broken is raised as the fault that answers it, because the order in which the rules
are asked decides the status (the protocol, sections 3.11 to 3.14).
"""
