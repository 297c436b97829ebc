"""The same network in JAX and in Keras, for what their own tools print about it: `counters.py` calls this.

Only plain sequences of layers are translated: the made-up chains, the MobileNets, and single layers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn


def layers(module: nn.Module) -> Iterator[nn.Module]:
    """The layers of a sequence, in the order in which they run."""
    children = list(module._modules.values())  # one that runs twice is there twice
    if not children:
        yield module
    elif type(module) is not nn.Sequential and not type(module).__module__.startswith("mobilenet_edu"):
        raise NotImplementedError(f"{type(module).__name__} is no plain sequence of layers")
    for child in children:
        yield from layers(child)


def pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)


def in_jax(layer: nn.Module, weights: dict[str, Any], x: Any) -> Any:
    """One step as JAX's documentation writes it."""
    import jax.numpy as jnp
    from jax import lax
    from jax import nn as jnn

    def channelwise(name: str) -> Any:
        return weights[name][:, None, None]

    match type(layer):
        case nn.Conv2d:
            padding = [(p, p) for p in layer.padding]
            options = {"rhs_dilation": layer.dilation, "feature_group_count": layer.groups}
            y = lax.conv_general_dilated(x, weights["weight"], layer.stride, padding, **options)
            return y if layer.bias is None else y + channelwise("bias")
        case nn.Linear:
            y = x.reshape(len(x), -1) @ weights["weight"].T
            return y if layer.bias is None else y + weights["bias"]
        case nn.BatchNorm2d:
            y = (x - channelwise("running_mean")) * lax.rsqrt(weights["running_var"] + layer.eps)[:, None, None]
            return y * channelwise("weight") + channelwise("bias") if layer.affine else y
        case nn.ReLU | nn.ReLU6:
            return jnn.relu(x) if type(layer) is nn.ReLU else jnn.relu6(x)
        case nn.MaxPool2d | nn.AvgPool2d:
            window, stride = (1, 1, *pair(layer.kernel_size)), (1, 1, *pair(layer.stride))
            padding = ((0, 0), (0, 0), *((p, p) for p in pair(layer.padding)))
            if type(layer) is nn.MaxPool2d:
                return lax.reduce_window(x, -jnp.inf, lax.max, window, stride, padding)
            return lax.reduce_window(x, 0.0, lax.add, window, stride, padding) / (window[2] * window[3])
        case nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d if layer.output_size in (1, (1, 1)):
            reduce = jnp.mean if type(layer) is nn.AdaptiveAvgPool2d else jnp.max
            return reduce(x, (2, 3), keepdims=True)
        case nn.Flatten | nn.Identity | nn.Dropout:
            return x
    raise NotImplementedError(f"{layer} is not translated to JAX")


def jax_flops(network: nn.Module, images: torch.Tensor) -> float:
    """What XLA's cost analysis says of the network, before it is compiled for one processor."""
    import jax

    steps = list(layers(network))
    weights = [{name: value.numpy() for name, value in step.state_dict().items()} for step in steps]

    def forward(weights: list[dict[str, Any]], x: Any) -> Any:
        for step, own in zip(steps, weights, strict=True):
            x = in_jax(step, own, x)
        return x

    return jax.jit(forward).lower(weights, images.numpy()).cost_analysis()["flops"]


def in_keras(layer: nn.Module, x: Any) -> Any:
    """One step as a layer of Keras."""
    from keras import layers as k

    match type(layer):
        case nn.Conv2d if layer.groups in (1, layer.out_channels) and layer.in_channels % layer.groups == 0:
            options = {"strides": layer.stride, "dilation_rate": layer.dilation, "use_bias": layer.bias is not None}
            x = k.ZeroPadding2D(layer.padding)(x) if any(layer.padding) else x
            if layer.groups == 1:
                return k.Conv2D(layer.out_channels, layer.kernel_size, **options)(x)
            if layer.in_channels == layer.groups:
                return k.DepthwiseConv2D(layer.kernel_size, **options)(x)
        case nn.Linear:
            x = k.Flatten()(x) if len(x.shape) > 2 else x
            return k.Dense(layer.out_features, use_bias=layer.bias is not None)(x)
        case nn.BatchNorm2d if layer.track_running_stats:
            return k.BatchNormalization(center=layer.affine, scale=layer.affine)(x)
        case nn.ReLU | nn.ReLU6:
            return k.ReLU(6.0 if type(layer) is nn.ReLU6 else None)(x)
        case nn.MaxPool2d | nn.AvgPool2d if layer.padding == 0:
            pool = k.MaxPooling2D if type(layer) is nn.MaxPool2d else k.AveragePooling2D
            return pool(pair(layer.kernel_size), pair(layer.stride))(x)
        case nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d if layer.output_size in (1, (1, 1)):
            whole = k.GlobalAveragePooling2D if type(layer) is nn.AdaptiveAvgPool2d else k.GlobalMaxPooling2D
            return whole(keepdims=True)(x)
        case nn.Softmax:
            return k.Softmax()(x)
        case nn.Flatten | nn.Identity | nn.Dropout:
            return x
    raise NotImplementedError(f"{layer} is not translated to Keras")


def keras_flops(network: nn.Module, batch: int, input_size: tuple[int, int, int]) -> int:
    """What TensorFlow's profiler says of the frozen graph of the network."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    channels, height, width = input_size
    image = x = keras.Input((height, width, channels))
    for layer in layers(network):
        x = in_keras(layer, x)
    model = keras.Model(image, x)
    images = tf.TensorSpec((batch, height, width, channels), tf.float32)
    concrete = tf.function(lambda images: model(images, training=False)).get_concrete_function(images)
    profiler = tf.compat.v1.profiler
    wanted = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation()).with_empty_output()
    graph = convert_variables_to_constants_v2(concrete).graph
    return profiler.profile(graph, options=wanted.build()).total_float_ops
