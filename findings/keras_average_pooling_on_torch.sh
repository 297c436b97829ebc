#!/usr/bin/env bash
# keras 3.15.1 on jax 0.10.2, on numpy 2.4.6 and on torch 2.13.0.
# Guess: the backend is a matter of taste; a saved network computes the same with each. AveragePooling2D(padding="same") divides by
#        the number of real pixels in a window, as TensorFlow does.
# Really: on torch, edge pixels are repeated and averaged with the rest wherever "same" needs more padding on one side than on the
#         other, as window 3 with step 2 does on maps of even side: a last pixel of 36 gives 16 there, and 9 on the others. On
#         maps of odd side, padded alike on both sides, all agree. Max pooling is right: a repeated pixel harms no maximum.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 torch==2.13.0 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cd "$folder"; cat >corner.py <<'PYTHON'
import os
import keras
import numpy as np
from keras import layers

cases, corners = [(4, 3, 2), (5, 4, 2), (5, 3, 2), (4, 3, 1)], []  # side of the map, window, step
for side, window, step in cases:
    name = f"{side}_{window}_{step}.keras"
    if not os.path.exists(name):  # the first backend saves, the others load
        keras.Sequential([layers.Input((side, side, 1)), layers.AveragePooling2D(window, step, padding="same")]).save(name)
    image = np.zeros((1, side, side, 1), "float32")
    image[0, -1, -1] = 36
    corners.append(round(float(keras.models.load_model(name).predict(image, verbose=0)[0, -1, -1, 0]), 3))
backend = keras.backend.backend()
print(f"{backend}: last pixel " + "; ".join("%g (side %d, window %d, step %d)" % (y, *case) for y, case in zip(corners, cases)))
assert corners == ([16, 20.25, 9, 9] if backend == "torch" else [9, 9, 9, 9]), "this has changed"
PYTHON
for backend in jax numpy torch; do
  KERAS_BACKEND=$backend "$folder/venv/bin/python" corner.py 2>"$folder/log" || { cat "$folder/log"; exit 1; }
done
