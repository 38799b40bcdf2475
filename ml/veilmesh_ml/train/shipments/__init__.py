"""What each model ships as, one module a model; see `ship`. Needs torch, onnx and onnxscript."""
