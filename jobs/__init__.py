"""Rooms of commands, one command per table, on the shared rooms `lake` and `platform`."""

import os

# A thread that waits for others sleeps, unless the environment says otherwise; read when torch and FAISS are loaded.
# Spinning, it takes the core that those others need: with two threads beside two busy processes on two cores,
# encoding 8,192 titles took 9.6 s, sleeping .65 s.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
