"""Closes the ring: declaration, turn, triggers, policy, rollout and the wheel that drives them."""
