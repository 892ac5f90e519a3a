"""Programs beside the tests: the swarm, planted faults, planted defects, the dialect contract."""
