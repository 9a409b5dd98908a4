"""What all encoders have in common."""

from collections.abc import Sequence

from torch import Tensor, nn


class Encoder(nn.Module):
    """A stem and four layers, whose outputs are the features that a decoder takes.

    Images (N, 3, H, W) in, four features (N, channels[i], h_i, w_i) out, at 1/4, 1/8, 1/16 and 1/32 of the size.
    """

    def __init__(self, stem: nn.Sequential, layers: Sequence[nn.Sequential], channels: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = stem
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.channels = channels

    def forward(self, images: Tensor) -> list[Tensor]:
        features = []
        x = self.stem(images)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            features.append(x)
        return features
