#!/usr/bin/env bash
# flax 0.12.8, keras 3.15.1 (torch backend), mlx 0.32.4, torch 2.13.0.
# Guess: batch norm's running variance after one and the same batch is one and the same number, whatever the library.
# Really: PyTorch and MLX store the unbiased variance (n - 1), Flax and Keras the biased one (n); all normalise by the biased one.
#         With two values in a channel it is half. A network trained on small late maps and batches cannot be ported bit by bit.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet flax==0.12.8 jax==0.10.2 jaxlib==0.10.2 keras==3.15.1 torch==2.13.0 numpy==2.4.6 \
  mlx==0.32.4 mlx-cpu==0.32.4
KERAS_BACKEND=torch "$folder/venv/bin/python" - <<'PYTHON'
import keras
import mlx.core
import mlx.nn
import numpy as np
import torch
from flax import nnx

batch = np.array([0.0, 2.0], "float32").reshape(2, 1, 1, 1)  # biased variance 1, unbiased variance 2
pytorch = torch.nn.BatchNorm2d(1, momentum=1.0)
pytorch(torch.from_numpy(batch))
flax = nnx.BatchNorm(1, momentum=0.0, rngs=nnx.Rngs(0))
flax(batch, use_running_average=False)
from_keras = keras.layers.BatchNormalization(momentum=0.0)
from_keras(batch, training=True)
apple = mlx.nn.BatchNorm(1, momentum=1.0)
apple(mlx.core.array(batch))
seen = {
    "torch": pytorch.running_var.item(), "mlx": apple.running_var.item(),
    "flax": float(flax.var[...][0]), "keras": float(from_keras.moving_variance.numpy()[0]),
}
print("running variance after one batch (0, 2):", seen)
assert [round(value, 3) for value in seen.values()] == [2, 2, 1, 1], "they agree otherwise now"
PYTHON
