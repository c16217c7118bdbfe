"""The messages of the Open Inference Protocol and of gRPC's health protocol: names and field numbers as they are published.

Sources: Open Inference Protocol, gRPC (https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol);
the extensions of NVIDIA Triton (model repository, model configuration, statistics, streams); gRPC health checking
(https://grpc.io/docs/guides/health-checking). A field that Noria neither reads nor says is left out: readers skip what they don't know.
"""

from __future__ import annotations

from noria.dataplane.grpc.declare import Messages

SERVICE = "inference.GRPCInferenceService"
HEALTH_SERVICE = "grpc.health.v1.Health"

_NAMED = "name 1 string, version 2 string"
_TENSOR = "name 1 string, datatype 2 string, shape 3 *int64, parameters 4 %InferParameter, contents 5 InferTensorContents"
_REPOSITORY = "repository_name 1 string, model_name 2 string, parameters 3 %ModelRepositoryParameter"
_CHANGED = "model_name 1 string, isLoaded 2 bool"

oip = Messages(
    "inference",
    {
        "ServerLiveRequest": "",
        "ServerLiveResponse": "live 1 bool",
        "ServerReadyRequest": "",
        "ServerReadyResponse": "ready 1 bool",
        "ModelReadyRequest": _NAMED,
        "ModelReadyResponse": "ready 1 bool",
        "ServerMetadataRequest": "",
        "ServerMetadataResponse": "name 1 string, version 2 string, extensions 3 *string",
        "ModelMetadataRequest": _NAMED,
        "ModelMetadataResponse": """name 1 string, versions 2 *string, platform 3 string,
            inputs 4 *ModelMetadataResponse.TensorMetadata, outputs 5 *ModelMetadataResponse.TensorMetadata""",
        "ModelMetadataResponse.TensorMetadata": "name 1 string, datatype 2 string, shape 3 *int64",
        "InferParameter": """bool_param 1 |bool, int64_param 2 |int64, string_param 3 |string,
            double_param 4 |double, uint64_param 5 |uint64""",
        "InferTensorContents": """bool_contents 1 *bool, int_contents 2 *int32, int64_contents 3 *int64, uint_contents 4 *uint32,
            uint64_contents 5 *uint64, fp32_contents 6 *float, fp64_contents 7 *double, bytes_contents 8 *bytes""",
        "ModelInferRequest": """model_name 1 string, model_version 2 string, id 3 string, parameters 4 %InferParameter,
            inputs 5 *ModelInferRequest.InferInputTensor, outputs 6 *ModelInferRequest.InferRequestedOutputTensor,
            raw_input_contents 7 *bytes""",
        "ModelInferRequest.InferInputTensor": _TENSOR,
        "ModelInferRequest.InferRequestedOutputTensor": "name 1 string, parameters 2 %InferParameter",
        "ModelInferResponse": """model_name 1 string, model_version 2 string, id 3 string, parameters 4 %InferParameter,
            outputs 5 *ModelInferResponse.InferOutputTensor, raw_output_contents 6 *bytes""",
        "ModelInferResponse.InferOutputTensor": _TENSOR,
        "ModelStreamInferResponse": "error_message 1 string, infer_response 2 ModelInferResponse",
        "ModelRepositoryParameter": "bool_param 1 |bool, int64_param 2 |int64, string_param 3 |string, bytes_param 4 |bytes",
        "RepositoryIndexRequest": "repository_name 1 string, ready 2 bool",
        "RepositoryIndexResponse": "models 1 *RepositoryIndexResponse.ModelIndex",
        "RepositoryIndexResponse.ModelIndex": "name 1 string, version 2 string, state 3 string, reason 4 string",
        "RepositoryModelLoadRequest": _REPOSITORY,
        "RepositoryModelLoadResponse": _CHANGED,
        "RepositoryModelUnloadRequest": _REPOSITORY,
        "RepositoryModelUnloadResponse": _CHANGED,
        "ModelConfigRequest": _NAMED,
        "ModelConfigResponse": "config 1 ModelConfig",
        "ModelConfig": """name 1 string, platform 2 string, max_batch_size 4 int32, input 5 *ModelInput, output 6 *ModelOutput,
            backend 17 string""",
        "ModelInput": "name 1 string, data_type 2 DataType, dims 4 *int64",
        "ModelOutput": "name 1 string, data_type 2 DataType, dims 3 *int64",
        "ModelStatisticsRequest": _NAMED,
        "ModelStatisticsResponse": "model_stats 1 *ModelStatistics",
        "ModelStatistics": """name 1 string, version 2 string, last_inference 3 uint64, inference_count 4 uint64,
            execution_count 5 uint64, inference_stats 6 InferStatistics""",
        "InferStatistics": "success 1 StatisticDuration, fail 2 StatisticDuration",
        "StatisticDuration": "count 1 uint64, ns 2 uint64",
    },
    enumerations={
        "DataType": """TYPE_INVALID TYPE_BOOL TYPE_UINT8 TYPE_UINT16 TYPE_UINT32 TYPE_UINT64 TYPE_INT8 TYPE_INT16 TYPE_INT32
            TYPE_INT64 TYPE_FP16 TYPE_FP32 TYPE_FP64 TYPE_STRING TYPE_BF16"""
    },
    services={
        "GRPCInferenceService": """
            ServerLive ServerLiveRequest ServerLiveResponse,
            ServerReady ServerReadyRequest ServerReadyResponse,
            ModelReady ModelReadyRequest ModelReadyResponse,
            ServerMetadata ServerMetadataRequest ServerMetadataResponse,
            ModelMetadata ModelMetadataRequest ModelMetadataResponse,
            ModelInfer ModelInferRequest ModelInferResponse,
            ModelStreamInfer *ModelInferRequest *ModelStreamInferResponse,
            RepositoryIndex RepositoryIndexRequest RepositoryIndexResponse,
            RepositoryModelLoad RepositoryModelLoadRequest RepositoryModelLoadResponse,
            RepositoryModelUnload RepositoryModelUnloadRequest RepositoryModelUnloadResponse,
            ModelConfig ModelConfigRequest ModelConfigResponse,
            ModelStatistics ModelStatisticsRequest ModelStatisticsResponse"""
    },
)

health = Messages(
    "grpc.health.v1",
    {"HealthCheckRequest": "service 1 string", "HealthCheckResponse": "status 1 ServingStatus"},
    enumerations={"ServingStatus": "UNKNOWN SERVING NOT_SERVING SERVICE_UNKNOWN"},
    services={
        "Health": """Check HealthCheckRequest HealthCheckResponse,
            Watch HealthCheckRequest *HealthCheckResponse"""
    },
)
