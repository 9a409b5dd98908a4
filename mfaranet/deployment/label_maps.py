"""The last step where only label maps are wanted: the class of the largest score, without a large score map."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.layers import Upsampling, resized

_SCORES_AT_ONCE = 2**19
"""Of a strip of rows: what a core's cache holds, 2 MiB."""


class LabelMaps(nn.Module):
    """In place of Upsampling: score maps (N, C, h, w) to the label map of the image's size, (N, 1, H, W), uint8."""

    def __init__(self, upsampling: Upsampling) -> None:
        super().__init__()
        self.align_corners = upsampling.align_corners

    def forward(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        if torch.compiler.is_compiling() or scores.shape[-2:] == size or scores.device.type != "cpu":
            return resized(scores, size, self.align_corners).argmax(1, keepdim=True).to(torch.uint8)
        height, width = size
        count, channels, rows, columns = scores.shape
        # Rows of the image are blended of two rows of scores, in strips; each of these is then widened and looked at.
        table = scores.permute(0, 2, 3, 1).reshape(count, rows, columns * channels)
        upper, share = self._rows(rows, height, scores)
        labels = scores.new_empty((count, 1, height, width), dtype=torch.uint8)
        step = max(1, _SCORES_AT_ONCE // (width * channels))
        for image, target in zip(table, labels, strict=True):
            for strip in (slice(start, start + step) for start in range(0, height, step)):
                first = upper[strip]
                blended = torch.lerp(image[first], image[(first + 1).clamp(max=rows - 1)], share[strip])
                wide = blended.view(1, -1, columns, channels).permute(0, 3, 1, 2)
                wide = F.interpolate(wide, (len(first), width), mode="bilinear", align_corners=self.align_corners)
                target[0, strip] = wide.argmax(1)[0]
        return labels

    def _rows(self, rows: int, height: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """For each row of the image the upper one of two rows of scores, (H,), and the share of the lower, (H, 1)."""
        row = torch.arange(height, dtype=torch.float64, device=like.device)
        if self.align_corners:
            position = row * ((rows - 1) / max(height - 1, 1))
        else:
            position = ((row + 0.5) * (rows / height) - 0.5).clamp(min=0)
        upper = position.floor().clamp(max=rows - 1)
        return upper.long(), (position - upper)[:, None].to(like.dtype)
