"""Import paths of MMSelfSup 0.x and v0.5.0 lead to what the package has today.

Scripts and plug-ins of 0.x import from these paths, wherever the code stands now. A path continues
this list when its method comes into the package, and never leaves it.
"""

import importlib
from collections import defaultdict
from types import ModuleType

import mmcv.runner
import pytest
from mmcv.utils import Registry

from mmselfsup.datasets import DATASETS, DATASOURCES, PIPELINES
from mmselfsup.models import MODELS

#: The public names of each module, as 0.x or v0.5.0 had them there.
PATHS = {
    "mmselfsup": "__version__ digit_version",
    "mmselfsup.apis": "inference_model init_model init_random_seed set_random_seed train_model",
    "mmselfsup.apis.inference": "inference_model init_model",
    "mmselfsup.apis.train": "init_random_seed set_random_seed train_model",
    "mmselfsup.core": """
        BYOLHook DeepClusterHook DefaultOptimizerConstructor DenseCLHook DistOptimizerHook
        GradAccumFp16OptimizerHook InterCLRHook LARS MomentumUpdateHook ODCHook SimSiamHook
        StepFixCosineAnnealingLrUpdaterHook SwAVHook TransformerFinetuneConstructor
        build_optimizer hooks optimizer
    """,
    "mmselfsup.core.hooks": """
        BYOLHook DeepClusterHook DenseCLHook DistOptimizerHook GradAccumFp16OptimizerHook
        InterCLRHook MomentumUpdateHook ODCHook SimSiamHook StepFixCosineAnnealingLrUpdaterHook
        SwAVHook
    """,
    "mmselfsup.core.hooks.byol_hook": "BYOLHook",
    "mmselfsup.core.hooks.cosine_annealing_hook": "StepFixCosineAnnealingLrUpdaterHook",
    "mmselfsup.core.hooks.deepcluster_hook": "DeepClusterHook",
    "mmselfsup.core.hooks.densecl_hook": "DenseCLHook",
    "mmselfsup.core.hooks.interclr_hook": "InterCLRHook",
    "mmselfsup.core.hooks.momentum_update_hook": "MomentumUpdateHook",
    "mmselfsup.core.hooks.odc_hook": "ODCHook",
    "mmselfsup.core.hooks.optimizer_hook": "DistOptimizerHook GradAccumFp16OptimizerHook",
    "mmselfsup.core.hooks.simsiam_hook": "SimSiamHook",
    "mmselfsup.core.hooks.swav_hook": "SwAVHook",
    "mmselfsup.core.optimizer": """
        DefaultOptimizerConstructor LARS TransformerFinetuneConstructor build_optimizer
    """,
    "mmselfsup.core.optimizer.builder": "build_optimizer",
    "mmselfsup.core.optimizer.constructor": "DefaultOptimizerConstructor",
    "mmselfsup.core.optimizer.optimizers": "LARS",
    "mmselfsup.core.optimizer.transformer_finetune_constructor": "TransformerFinetuneConstructor",
    "mmselfsup.datasets": """
        BaseDataset ConcatDataset DATASETS DATASOURCES DeepClusterDataset MultiViewDataset
        PIPELINES RelativeLocDataset RepeatDataset RotationPredDataset SingleViewDataset
        build_dataloader build_dataset build_datasource
    """,
    "mmselfsup.datasets.base": "BaseDataset",
    "mmselfsup.datasets.builder": """
        DATASETS DATASOURCES PIPELINES build_dataloader build_dataset build_datasource
        worker_init_fn
    """,
    "mmselfsup.datasets.data_sources": """
        BaseDataSource CIFAR10 CIFAR100 ImageList ImageNet ImageNet21k
    """,
    "mmselfsup.datasets.data_sources.base": "BaseDataSource",
    "mmselfsup.datasets.data_sources.cifar": "CIFAR10 CIFAR100",
    "mmselfsup.datasets.data_sources.image_list": "ImageList",
    "mmselfsup.datasets.data_sources.imagenet": """
        ImageNet find_folders get_samples has_file_allowed_extension
    """,
    "mmselfsup.datasets.data_sources.imagenet_21k": "ImageNet21k",
    "mmselfsup.datasets.dataset_wrappers": "ConcatDataset RepeatDataset",
    "mmselfsup.datasets.deepcluster": "DeepClusterDataset",
    "mmselfsup.datasets.multi_view": "MultiViewDataset",
    "mmselfsup.datasets.pipelines": """
        BEiTMaskGenerator GaussianBlur Lighting MaskFeatMaskGenerator RandomAppliedTrans
        RandomAug SimMIMMaskGenerator Solarization ToTensor
    """,
    "mmselfsup.datasets.pipelines.transforms": """
        BEiTMaskGenerator GaussianBlur Lighting MaskFeatMaskGenerator RandomAppliedTrans
        RandomAug RandomResizedCropAndInterpolationWithTwoPic SimMIMMaskGenerator Solarization
        ToTensor
    """,
    "mmselfsup.datasets.relative_loc": "RelativeLocDataset image_to_patches",
    "mmselfsup.datasets.rotation_pred": "RotationPredDataset rotate",
    "mmselfsup.datasets.samplers": """
        DistributedGivenIterationSampler DistributedGroupSampler DistributedSampler GroupSampler
    """,
    "mmselfsup.datasets.samplers.distributed_sampler": """
        DistributedGivenIterationSampler DistributedSampler
    """,
    "mmselfsup.datasets.samplers.group_sampler": "DistributedGroupSampler GroupSampler",
    "mmselfsup.datasets.single_view": "SingleViewDataset",
    "mmselfsup.datasets.utils": """
        PrefetchLoader calculate_md5 check_integrity check_md5 download_and_extract_archive
        download_url download_url_to_file extract_archive rm_suffix to_numpy
    """,
    "mmselfsup.models": """
        ALGORITHMS BACKBONES HEADS MEMORIES NECKS build_algorithm build_backbone build_head
        build_memory build_neck
    """,
    "mmselfsup.models.algorithms": """
        BYOL BarlowTwins BaseModel CAE Classification DeepCluster DenseCL InterCLRMoCo MAE
        MMClsImageClassifierWrapper MaskFeat MoCo MoCoV3 NPID ODC RelativeLoc RotationPred
        SimCLR SimMIM SimSiam SwAV
    """,
    "mmselfsup.models.algorithms.barlowtwins": "BarlowTwins",
    "mmselfsup.models.algorithms.base": "BaseModel",
    "mmselfsup.models.algorithms.byol": "BYOL",
    "mmselfsup.models.algorithms.cae": "CAE",
    "mmselfsup.models.algorithms.classification": "Classification",
    "mmselfsup.models.algorithms.deepcluster": "DeepCluster",
    "mmselfsup.models.algorithms.densecl": "DenseCL",
    "mmselfsup.models.algorithms.interclr_moco": "InterCLRMoCo",
    "mmselfsup.models.algorithms.mae": "MAE",
    "mmselfsup.models.algorithms.maskfeat": "MaskFeat",
    "mmselfsup.models.algorithms.mmcls_classifier_wrapper": "MMClsImageClassifierWrapper",
    "mmselfsup.models.algorithms.moco": "MoCo",
    "mmselfsup.models.algorithms.mocov3": "MoCoV3",
    "mmselfsup.models.algorithms.npid": "NPID",
    "mmselfsup.models.algorithms.odc": "ODC",
    "mmselfsup.models.algorithms.relative_loc": "RelativeLoc",
    "mmselfsup.models.algorithms.rotation_pred": "RotationPred",
    "mmselfsup.models.algorithms.simclr": "SimCLR",
    "mmselfsup.models.algorithms.simmim": "SimMIM",
    "mmselfsup.models.algorithms.simsiam": "SimSiam",
    "mmselfsup.models.algorithms.swav": "SwAV",
    "mmselfsup.models.backbones": """
        CAEViT MAEViT MIMVisionTransformer MaskFeatViT ResNeXt ResNet ResNetV1d
        SimMIMSwinTransformer VisionTransformer
    """,
    "mmselfsup.models.backbones.cae_vit": "CAEViT",
    "mmselfsup.models.backbones.mae_vit": "MAEViT",
    "mmselfsup.models.backbones.maskfeat_vit": "MaskFeatViT",
    "mmselfsup.models.backbones.mim_cls_vit": "MIMVisionTransformer",
    "mmselfsup.models.backbones.resnet": "BasicBlock Bottleneck ResNet ResNetV1d",
    "mmselfsup.models.backbones.resnext": "Bottleneck ResNeXt",
    "mmselfsup.models.backbones.simmim_swin": "SimMIMSwinTransformer",
    "mmselfsup.models.backbones.vision_transformer": "VisionTransformer",
    "mmselfsup.models.builder": """
        ALGORITHMS BACKBONES HEADS MEMORIES MODELS NECKS build_algorithm build_backbone
        build_head build_memory build_neck
    """,
    "mmselfsup.models.heads": """
        CAEHead ClsHead ContrastiveHead LatentClsHead LatentCrossCorrelationHead
        LatentPredictHead MAEFinetuneHead MAELinprobeHead MAEPretrainHead MaskFeatFinetuneHead
        MaskFeatPretrainHead MoCoV3Head MultiClsHead SimMIMHead SwAVHead
    """,
    "mmselfsup.models.heads.cae_head": "CAEHead",
    "mmselfsup.models.heads.cls_head": "ClsHead",
    "mmselfsup.models.heads.contrastive_head": "ContrastiveHead",
    "mmselfsup.models.heads.latent_pred_head": """
        LatentClsHead LatentCrossCorrelationHead LatentPredictHead
    """,
    "mmselfsup.models.heads.mae_head": "MAEFinetuneHead MAELinprobeHead MAEPretrainHead",
    "mmselfsup.models.heads.maskfeat_head": "MaskFeatFinetuneHead MaskFeatPretrainHead",
    "mmselfsup.models.heads.mocov3_head": "MoCoV3Head",
    "mmselfsup.models.heads.multi_cls_head": "MultiClsHead",
    "mmselfsup.models.heads.simmim_head": "SimMIMHead",
    "mmselfsup.models.heads.swav_head": "SwAVHead",
    "mmselfsup.models.memories": "InterCLRMemory ODCMemory SimpleMemory",
    "mmselfsup.models.memories.interclr_memory": "InterCLRMemory",
    "mmselfsup.models.memories.odc_memory": "ODCMemory",
    "mmselfsup.models.memories.simple_memory": "SimpleMemory",
    "mmselfsup.models.necks": """
        AvgPool2dNeck CAENeck DenseCLNeck LinearNeck MAEPretrainDecoder MoCoV2Neck NonLinearNeck
        ODCNeck RelativeLocNeck SimMIMNeck SwAVNeck
    """,
    "mmselfsup.models.necks.avgpool2d_neck": "AvgPool2dNeck",
    "mmselfsup.models.necks.cae_neck": "CAENeck",
    "mmselfsup.models.necks.densecl_neck": "DenseCLNeck",
    "mmselfsup.models.necks.linear_neck": "LinearNeck",
    "mmselfsup.models.necks.mae_neck": "MAEPretrainDecoder",
    "mmselfsup.models.necks.mocov2_neck": "MoCoV2Neck",
    "mmselfsup.models.necks.nonlinear_neck": "NonLinearNeck",
    "mmselfsup.models.necks.odc_neck": "ODCNeck",
    "mmselfsup.models.necks.relative_loc_neck": "RelativeLocNeck",
    "mmselfsup.models.necks.simmim_neck": "SimMIMNeck",
    "mmselfsup.models.necks.swav_neck": "SwAVNeck",
    "mmselfsup.models.utils": """
        Accuracy CAETransformerRegressorLayer Encoder ExtractProcess GatherLayer
        MultiExtractProcess MultiPooling MultiPrototypes MultiheadAttention ResLayer
        ResLayerExtraNorm Sobel TransformerEncoderLayer accuracy
        build_2d_sincos_position_embedding knn_classifier
    """,
    "mmselfsup.models.utils.accuracy": "Accuracy accuracy",
    "mmselfsup.models.utils.dall_e": "Conv2d Encoder EncoderBlock",
    "mmselfsup.models.utils.extract_process": "ExtractProcess MultiExtractProcess",
    "mmselfsup.models.utils.gather_layer": "GatherLayer",
    "mmselfsup.models.utils.hog_layer": "HOGLayerC",
    "mmselfsup.models.utils.knn_classifier": "knn_classifier",
    "mmselfsup.models.utils.multi_pooling": "MultiPooling",
    "mmselfsup.models.utils.multi_prototypes": "MultiPrototypes",
    "mmselfsup.models.utils.position_embedding": "build_2d_sincos_position_embedding",
    "mmselfsup.models.utils.res_layer": "ResLayer",
    "mmselfsup.models.utils.res_layer_extra_norm": "ResLayerExtraNorm",
    "mmselfsup.models.utils.sobel": "Sobel",
    "mmselfsup.models.utils.transformer_blocks": """
        CAETransformerRegressorLayer CrossMultiheadAttention MultiheadAttention
        MultiheadAttentionWithRPE TransformerEncoderLayer
    """,
    "mmselfsup.utils": """
        AliasMethod Extractor batch_shuffle_ddp batch_unshuffle_ddp collect_env
        concat_all_gather dist_forward_collect distributed_sinkhorn find_latest_checkpoint
        gather_tensors gather_tensors_batch get_root_logger multi_gpu_test
        nondist_forward_collect setup_multi_processes single_gpu_test sync_random_seed
    """,
    "mmselfsup.utils.alias_multinomial": "AliasMethod",
    "mmselfsup.utils.batch_shuffle": "batch_shuffle_ddp batch_unshuffle_ddp",
    "mmselfsup.utils.clustering": """
        Kmeans PIC find_maxima_cluster make_adjacencyW make_graph preprocess_features run_kmeans
        run_pic
    """,
    "mmselfsup.utils.collect": "dist_forward_collect nondist_forward_collect",
    "mmselfsup.utils.collect_env": "collect_env",
    "mmselfsup.utils.dist_utils": "sync_random_seed",
    "mmselfsup.utils.distributed_sinkhorn": "distributed_sinkhorn",
    "mmselfsup.utils.extractor": "Extractor",
    "mmselfsup.utils.gather": "concat_all_gather gather_tensors gather_tensors_batch",
    "mmselfsup.utils.logger": "get_root_logger",
    "mmselfsup.utils.misc": "find_latest_checkpoint tensor2imgs",
    "mmselfsup.utils.setup_env": "setup_multi_processes",
    "mmselfsup.utils.test_helper": "multi_gpu_test single_gpu_test",
    "mmselfsup.version": "parse_version_info",
}

REGISTRIES: list[Registry] = [
    DATASETS,
    DATASOURCES,
    PIPELINES,
    MODELS,
    mmcv.runner.HOOKS,
    mmcv.runner.OPTIMIZERS,
    mmcv.runner.OPTIMIZER_BUILDERS,
]


@pytest.mark.parametrize("module", PATHS)
def test_path_leads_to_the_object_of_today(module: str) -> None:
    imported = importlib.import_module(module)
    for name in PATHS[module].split():
        found = getattr(imported, name)
        home = getattr(found, "__module__", None)
        if home is not None and not isinstance(found, ModuleType | Registry):
            assert getattr(importlib.import_module(home), found.__name__) is found, name


@pytest.mark.parametrize("module", PATHS)
def test_registries_give_the_same_class(module: str) -> None:
    imported = importlib.import_module(module)
    for name in PATHS[module].split():
        registered = [r.module_dict[name] for r in REGISTRIES if name in r.module_dict]
        if registered:
            assert getattr(imported, name) in registered, name


def test_all_paths_of_a_name_lead_to_one_object() -> None:
    objects = defaultdict(list)
    for module, names in PATHS.items():
        for name in names.split():
            objects[name].append(getattr(importlib.import_module(module), name))
    # The bottleneck of ResNeXt has groups.
    several = {name for name, found in objects.items() if any(x is not found[0] for x in found)}
    assert several == {"Bottleneck"}


def test_the_list_is_sorted() -> None:
    assert list(PATHS) == sorted(PATHS)
    for names in PATHS.values():
        assert names.split() == sorted(set(names.split()))
