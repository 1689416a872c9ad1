"""Vectors from neural networks.

half_words      the layers of `words` (embedding/local/words.py) in bfloat16
openclip        any OpenCLIP model with a local checkpoint
openclip_tower  an OpenCLIP model's image tower and how pictures are prepared for it
timm            any model of timm with a local checkpoint
relatives       a network of timm's with the weights of a package, for other pictures of the same things
onnx            any model that was exported to ONNX
onnx_input      how pictures are prepared for it
onnx_file       its digest, and a session of ONNX Runtime
weights         reads their weights from a file that is not trusted
preprocess      resizes and crops as the network's own transform does
network         pictures → unit vectors by a network with its weights
precision       numeric types that are worth trying on this machine
backends        the ways to compute a network, and the choice of the fastest on this machine
vit             a vision transformer's weights by their role
packed_vit      a vision transformer on the CPU in fewer and larger steps
gpu             what differs on a GPU
"""
