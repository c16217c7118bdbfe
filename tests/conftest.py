"""What holds for all tests: one thread for small sums, since the runner fills the cores with processes of its own."""

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")
