"""The data plane: thin transports over the serving station; it starts and works without the control plane."""
