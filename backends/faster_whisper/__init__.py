"""The `faster_whisper` backend: speech to text with Whisper models on CTranslate2."""

import os

# CTranslate2 waits for its threads in OpenMP, which reads its settings once, when it is imported
# by the modules of this package. GNU's default spins for milliseconds, and on cores that somebody
# else uses too the spinning thread takes the time of the one it waits for. Measured with the
# embedded model, two threads on two busy cores, seconds for eight sentences: over 100 with the
# default, 13 with this; one thread took 11. Whoever sets either variable knows better.
if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "1000"
