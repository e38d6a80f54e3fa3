"""What jobs.simulator.simulate stands on: the day's scene, its log in two layouts, and the truth behind it."""
