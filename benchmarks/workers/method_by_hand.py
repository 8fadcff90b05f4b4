"""The plain implementation of each method, by name."""

from typing import Any

import by_hand as plain
import by_hand_contrastive as contrastive
import by_hand_dino as dino
import by_hand_latent as latent
import by_hand_masked as masked
import by_hand_regularised as regularised
import by_hand_relations as relations
import by_hand_vit as vit
from method_batches import (
    CLUSTERS,
    GROUPS,
    INTERCLR_CLUSTERS,
    INTERCLR_NEGATIVES,
    INTERCLR_POOL,
    LENGTH,
    NEGATIVES,
    QUEUE,
)


def by_hand(name: str, size: int) -> Any:
    """Return a module whose forward pass takes the batch of ours and returns the loss."""
    return dict(
        rotation_pred=lambda: plain.Classes(4),
        deepcluster=lambda: plain.Classes(CLUSTERS),
        relative_loc=plain.RelativeLocation,
        npid=lambda: plain.NPID(LENGTH, NEGATIVES),
        mocov2=lambda: plain.MoCo(QUEUE),
        densecl=lambda: plain.DenseCL(QUEUE),
        byol=plain.BYOL,
        simsiam=plain.SimSiam,
        fastsiam=plain.FastSiam,
        swav=lambda: plain.SwAV(60),
        barlowtwins=plain.BarlowTwins,
        interclr=lambda: plain.InterCLR(
            QUEUE, LENGTH, INTERCLR_CLUSTERS, INTERCLR_NEGATIVES, INTERCLR_POOL
        ),
        simclr=contrastive.SimCLR,
        dcl=contrastive.DCL,
        dclw=lambda: contrastive.DCL(sigma=0.5),
        supcon=contrastive.SupCon,
        nnclr=lambda: contrastive.NNCLR(QUEUE),
        nnbyol=lambda: contrastive.NNBYOL(QUEUE),
        nnsiam=lambda: contrastive.NNSiam(QUEUE),
        all4one=lambda: contrastive.All4One(QUEUE),
        tico=regularised.TiCo,
        mmcr=regularised.MMCR,
        vicreg=regularised.VICReg,
        vicregl=regularised.VICRegL,
        vibcreg=regularised.VIbCReg,
        wmse=regularised.WMSE,
        lejepa=regularised.LeJEPA,
        visreg=regularised.VISReg,
        ressl=lambda: relations.ReSSL(QUEUE),
        smog=lambda: relations.SMoG(QUEUE),
        deepclusterv2=lambda: relations.DeepClusterV2(LENGTH, GROUPS),
        distillation=relations.Distillation,
        dino=dino.DINO,
        dino_vit=lambda: dino.DINO(transformer=True),
        ibot=dino.IBOT,
        dinov2=dino.DINOv2,
        msn=latent.MSN,
        pmsn=lambda: latent.MSN(power=0.25, balanced=False),
        ijepa=latent.IJEPA,
        spark=latent.SparK,
        mae=lambda: vit.MAE(size),
        maskfeat=lambda: masked.MaskFeat(size),
        simmim=masked.SimMIM,
        cae=lambda: masked.CAE(size),
        mocov3=lambda: vit.MoCoV3(size),
    )[name]()
