"""What both gRPC services of a node share: who calls, how errors travel, how connections are made."""
