"""dlib's own weights on faster machinery: onnxruntime on a CPU, torch on a GPU.

dlib_stream, dlib_network   read the .dat files in Python
folding                     normalisation layers and the input's mean folded into convolutions
resnet, mmod                the encoder and the detector: their structure, and as ONNX graphs
onnx_model                  writes an ONNX file
cache                       converted once into a file named by digest
networks                    where they are computed:
onnx_networks               on the CPU
torch_networks              on a GPU
tiling                      dlib's pyramid of a picture in one picture, and the way back
engine                      all of it behind the `Engine` protocol
"""
