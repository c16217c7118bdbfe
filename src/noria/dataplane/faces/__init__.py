"""The protocols that the data plane speaks: one file each, translating a call into the desk's use cases and back."""
