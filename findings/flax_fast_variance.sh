#!/usr/bin/env bash
# flax 0.12.8, dm-haiku 0.0.17, jax 0.10.2; torch 2.13.0 beside them.
# Guess: whatever its mean, a channel leaves batch norm in training with mean 0 and standard deviation 1 (up to epsilon).
# Really: Flax computes the variance as E[x*x] - E[x]**2 in float32 unless use_fast_variance=False. A channel of mean 1000 and
#         standard deviation 0.1 leaves BatchNorm with about 24, LayerNorm with about 60. Haiku has no switch: NaN.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet flax==0.12.8 dm-haiku==0.0.17 jax==0.10.2 jaxlib==0.10.2 torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import haiku as hk
import jax
import numpy as np
import torch
from flax import nnx

maps = np.random.default_rng(0).normal(1000, 0.1, (4, 5, 5, 4)).astype("float32")
haiku = hk.transform_with_state(lambda x: hk.BatchNorm(True, True, 0.9)(x, is_training=True))
weights, state = haiku.init(jax.random.PRNGKey(0), maps)
seen = {
    "torch BatchNorm2d": torch.nn.BatchNorm2d(4)(torch.from_numpy(maps).permute(0, 3, 1, 2)).std().item(),
    "flax BatchNorm, use_fast_variance=False": float(
        nnx.BatchNorm(4, rngs=nnx.Rngs(0), use_fast_variance=False)(maps, use_running_average=False).std()
    ),
    "flax BatchNorm": float(nnx.BatchNorm(4, rngs=nnx.Rngs(0))(maps, use_running_average=False).std()),
    "flax LayerNorm": float(nnx.LayerNorm(4, rngs=nnx.Rngs(0))(maps).std()),
    "haiku BatchNorm": float(haiku.apply(weights, state, None, maps)[0].std()),
}
for name, value in seen.items():
    print(f"{name:40} standard deviation of its outputs: {value:.3g}")
torch_, slow, fast, layer, haiku_ = seen.values()
assert 0.9 < torch_ < 1.1 and 0.9 < slow < 1.1, "the careful ones are off"
assert fast > 5 and layer > 5 and np.isnan(haiku_), "the fast ones have become careful"
PYTHON
