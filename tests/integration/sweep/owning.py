"""A service's function that the sweep asks: it accepts all."""


def accepts(commissions):
    return ["accept"] * len(commissions)
