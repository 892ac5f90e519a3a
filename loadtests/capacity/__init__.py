"""How much a test system holds: open load in steps, up to the rate at which the objective breaks."""
