"""The Open Inference Protocol over gRPC; wants the extra `grpc`, and is imported only where its port is set."""
