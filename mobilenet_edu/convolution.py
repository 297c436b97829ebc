"""Convolutions from scratch, for reading: first as loops, then as one matrix product.

Nothing here is fast; everything is checked against ``torch.nn.functional.conv2d``. A standard image is (M, H, W) or,
with a batch, (B, M, H, W); filters are (N, M / groups, K_h, K_w), as in PyTorch. Like PyTorch, these functions slide
the kernel without flipping it, which mathematics calls a cross-correlation.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from mobilenet_edu import checks
from mobilenet_edu.cost import Size, conv_output_size

__all__ = [
    "conv2d_im2col",
    "conv2d_loops",
    "depthwise_conv2d",
    "im2col",
    "nearest_separable_kernel",
    "pointwise_conv2d",
    "separable_conv2d",
    "separable_kernel",
]


def conv2d_loops(
    image: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> torch.Tensor:
    """The definition, in plain Python: the paper's equation (1), with padding, stride, dilation and groups.

    Maps an image (M, H, W) with filters (N, M / groups, K_h, K_w) to (N, H_out, W_out).

    Raises:
        TypeError: tensors of several dtypes, or a setting that is no integer.
        ValueError: shapes that do not fit together, or a kernel larger than the padded image.
    """
    _check_shapes(image, weight, bias, groups, dimensions=3)
    (step_y, step_x), (apart_y, apart_x) = checks.pair("stride", stride), checks.pair("dilation", dilation)
    pad_y, pad_x = checks.pair("padding", padding, smallest=0)
    N, M_per_group, K_h, K_w = weight.shape
    H_out, W_out = conv_output_size(tuple(image.shape[1:]), (K_h, K_w), stride, padding, dilation)

    pixels = F.pad(image, (pad_x, pad_x, pad_y, pad_y)).tolist()
    filters = weight.tolist()
    output = torch.zeros(N, H_out, W_out, dtype=image.dtype)
    for n in range(N):
        first_channel = n // (N // groups) * M_per_group  # a filter sees only the channels of its group
        for y in range(H_out):
            for x in range(W_out):
                total = 0.0 if bias is None else bias[n].item()
                for m in range(M_per_group):
                    for i in range(K_h):
                        row = pixels[first_channel + m][y * step_y + i * apart_y]
                        for j in range(K_w):
                            total += row[x * step_x + j * apart_x] * filters[n][m][i][j]
                output[n, y, x] = total
    return output


def im2col(
    images: torch.Tensor, kernel_size: Size, stride: Size = 1, padding: Size = 0, dilation: Size = 1
) -> torch.Tensor:
    """Copy the patch under each kernel position into a column.

    Maps (B, M, H, W) to (B, M * K_h * K_w, H_out * W_out): one column for each output pixel.
    """
    (step_y, step_x), (apart_y, apart_x) = checks.pair("stride", stride), checks.pair("dilation", dilation)
    (K_h, K_w), (pad_y, pad_x) = checks.pair("kernel_size", kernel_size), checks.pair("padding", padding, smallest=0)
    H_out, W_out = conv_output_size(tuple(images.shape[2:]), (K_h, K_w), (step_y, step_x), padding, dilation)
    padded = F.pad(images, (pad_x, pad_x, pad_y, pad_y))
    rows = torch.arange(H_out)[:, None] * step_y + torch.arange(K_h) * apart_y  # (H_out, K_h)
    columns = torch.arange(W_out)[:, None] * step_x + torch.arange(K_w) * apart_x  # (W_out, K_w)
    patches = padded[:, :, rows[:, :, None, None], columns]  # (B, M, H_out, K_h, W_out, K_w)
    return patches.permute(0, 1, 3, 5, 2, 4).reshape(len(images), -1, H_out * W_out)


def conv2d_im2col(
    images: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> torch.Tensor:
    """The same convolution as one matrix product a group: filters as rows, patches as columns.

    Maps (B, M, H, W) with filters (N, M / groups, K_h, K_w) to (B, N, H_out, W_out).
    """
    _check_shapes(images, weight, bias, groups, dimensions=4)
    N, _, K_h, K_w = weight.shape
    size = conv_output_size(tuple(images.shape[2:]), (K_h, K_w), stride, padding, dilation)
    columns = im2col(images, (K_h, K_w), stride, padding, dilation)
    columns = columns.reshape(len(images), groups, -1, columns.shape[-1])  # (B, groups, taps, pixels)
    rows = weight.reshape(groups, N // groups, -1)  # (groups, N / groups, taps)
    output = (rows @ columns).reshape(len(images), N, *size)
    return output if bias is None else output + bias[:, None, None]


def depthwise_conv2d(
    images: torch.Tensor, filters: torch.Tensor, stride: Size = 1, padding: Size = 0, dilation: Size = 1
) -> torch.Tensor:
    """Filter each channel with its own kernel: the paper's equation (3).

    Maps (B, M, H, W) with filters (M, K_h, K_w) to (B, M, H_out, W_out).
    """
    if filters.dim() != 3 or images.dim() != 4 or len(filters) != images.shape[1]:
        raise ValueError(
            f"filters of shape {tuple(filters.shape)} must be one matrix for each channel "
            f"of the images of shape {tuple(images.shape)}"
        )
    return conv2d_im2col(images, filters[:, None], None, stride, padding, dilation, groups=len(filters))


def pointwise_conv2d(images: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Mix the channels of each pixel with the same matrix: a 1×1 convolution.

    Maps (B, M, H, W) with a matrix (N, M) to (B, N, H, W).
    """
    _check_matrix(matrix, images.shape[1])
    return torch.einsum("nm,bmhw->bnhw", matrix, images)


def separable_conv2d(
    images: torch.Tensor,
    filters: torch.Tensor,
    matrix: torch.Tensor,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
) -> torch.Tensor:
    """Filter, then combine: `depthwise_conv2d` followed by `pointwise_conv2d`, with nothing between.

    Maps (B, M, H, W) with filters (M, K_h, K_w) and a matrix (N, M) to (B, N, H_out, W_out).
    """
    return pointwise_conv2d(depthwise_conv2d(images, filters, stride, padding, dilation), matrix)


def separable_kernel(filters: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """The dense kernel that does what `separable_conv2d` does: entry (n, m) is ``matrix[n, m] * filters[m]``.

    Filters (M, K_h, K_w) and a matrix (N, M) make a kernel (N, M, K_h, K_w).
    """
    _check_matrix(matrix, len(filters))
    return matrix[:, :, None, None] * filters


def nearest_separable_kernel(weight: torch.Tensor, depth_multiplier: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """The separable layer whose dense kernel is nearest to ``weight`` (smallest sum of squared differences).

    For each input channel the kernel is a matrix of N rows and K_h * K_w columns; its best approximation of rank
    ``depth_multiplier`` comes from the singular value decomposition (Eckart and Young, 1936).

    Maps (N, M, K_h, K_w) to filters (M * depth_multiplier, K_h, K_w) and a matrix (N, M * depth_multiplier). The
    dense kernel is exact when ``depth_multiplier`` reaches min(N, K_h * K_w).
    """
    checks.positive("depth_multiplier", depth_multiplier)
    N, M, K_h, K_w = weight.shape
    slices = weight.permute(1, 0, 2, 3).reshape(M, N, K_h * K_w)
    left, values, right = torch.linalg.svd(slices, full_matrices=False)
    rank = min(depth_multiplier, values.shape[1])
    scaled = left[:, :, :rank] * values[:, None, :rank]  # (M, N, rank)
    filters = right[:, :rank].reshape(M * rank, K_h, K_w)
    return filters, scaled.permute(1, 0, 2).reshape(N, M * rank)


def _check_matrix(matrix: torch.Tensor, channels: int) -> None:
    # A single column would be stretched over all channels, without a word.
    if matrix.dim() != 2 or matrix.shape[1] != channels:
        raise ValueError(f"matrix of shape {tuple(matrix.shape)} must have a column for each of {channels} channels")


def _check_shapes(
    image: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, groups: int, dimensions: int
) -> None:
    if image.dim() != dimensions or weight.dim() != 4:
        raise ValueError(
            f"the image of shape {tuple(image.shape)} must have {dimensions} dimensions "
            f"and the weight of shape {tuple(weight.shape)} must have 4"
        )
    if len(dtypes := {tensor.dtype for tensor in (image, weight, bias) if tensor is not None}) > 1:
        raise TypeError(f"image, weight and bias must have one dtype, not {' and '.join(sorted(map(str, dtypes)))}")
    checks.positive("groups", groups)
    channels, filters = image.shape[-3], weight.shape[0]
    if channels % groups or filters % groups:
        raise ValueError(f"groups={groups} must divide the image's {channels} channels and the {filters} filters")
    if weight.shape[1] * groups != channels:
        raise ValueError(
            f"each of the {groups} groups has {channels // groups} channels, "
            f"but the weight of shape {tuple(weight.shape)} expects {weight.shape[1]}"
        )
    if bias is not None and bias.shape != (filters,):
        raise ValueError(f"bias of shape {tuple(bias.shape)} must be one number for each of {filters} filters")
