#!/usr/bin/env bash
# dm-haiku 0.0.17, jax 0.10.2.
# Guess: hk.SeparableDepthwiseConv2D is what MobileNet's paper and Keras's SeparableConv2D call separable: one filter for
#        each channel, then a 1x1 convolution that mixes the channels.
# Really: it separates in space. Two depthwise convolutions follow each other, 3x1 and 1x3; nothing mixes channels, and a
#         filter of rank two cannot be learnt. A MobileNet that is ported by this name has no pointwise layers at all.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dm-haiku==0.0.17 jax==0.10.2 jaxlib==0.10.2
"$folder/venv/bin/python" - <<'PYTHON'
import haiku as hk
import jax
import jax.numpy as jnp

def layer(x):
    return hk.SeparableDepthwiseConv2D(channel_multiplier=1, kernel_shape=3, padding="SAME", with_bias=False)(x)

network = hk.without_apply_rng(hk.transform(layer))
image = jnp.ones((1, 8, 8, 16))
weights = network.init(jax.random.PRNGKey(0), image)
shapes = sorted(each["w"].shape for each in weights.values())
print("weights of SeparableDepthwiseConv2D, 16 channels:", shapes)

only_first = image * (jnp.arange(16) == 0)
reached = [int(c) for c in range(16) if jnp.abs(network.apply(weights, only_first)[..., c]).max() > 0]
print("channels that see an image whose channel 0 alone is not zero:", reached)
assert shapes == [(1, 3, 1, 16), (3, 1, 1, 16)], "the layer is another one now"
assert reached == [0], "channels are mixed now"
PYTHON
