"""SimCLR as in lightly's documentation: an epoch for each ``go``, then k-NN."""

import lightly
import torch
import torchvision
from knn import balanced_accuracy, read
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from lightly.transforms import SimCLRTransform
from lightly.transforms.utils import IMAGENET_NORMALIZE
from PIL import Image
from serve import serve, settings
from torch import Tensor, nn

wanted = settings()
torch.set_num_threads(wanted["threads"])
torch.manual_seed(0)
lines = wanted["train"]


class Images(torch.utils.data.Dataset[list[Tensor]]):
    """A data set of two views of each image."""

    transform = SimCLRTransform(input_size=wanted["size"])

    def __len__(self) -> int:
        return len(lines)

    def __getitem__(self, idx: int) -> list[Tensor]:
        path = f"{wanted['folder']}/{lines[idx].split()[0]}"
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            views: list[Tensor] = self.transform(image.convert("RGB"))
        return views


resnet = torchvision.models.resnet18()
backbone = nn.Sequential(*list(resnet.children())[:-1], nn.Flatten())
head = SimCLRProjectionHead(512, 512, 128)
criterion = NTXentLoss()
parameters = [*backbone.parameters(), *head.parameters()]
optimizer = torch.optim.SGD(parameters, lr=0.06, momentum=0.9, weight_decay=5e-4)
loader = torch.utils.data.DataLoader(
    Images(), wanted["batch"], shuffle=True, drop_last=True, num_workers=wanted["workers"],
    persistent_workers=True,
)  # fmt: skip


def work() -> None:
    """Run one epoch."""
    for first, second in loader:
        loss = criterion(head(backbone(first)), head(backbone(second)))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def score() -> float:
    """Return the balanced accuracy of k-NN on the frozen backbone."""
    backbone.eval()
    lists = (read(wanted[part], wanted["folder"], wanted["size"]) for part in ("train", "test"))
    return balanced_accuracy(backbone, *lists, **IMAGENET_NORMALIZE)


info = {"lightly": lightly.__version__, "torch": torch.__version__}
serve(work, info, after=score, times=wanted["epochs"])
