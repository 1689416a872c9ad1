"""From untrusted bytes to unit vectors. The files, in the order in which an image passes through them:

image          an image: its source, facts of its file, why it is unscannable (plain values, no library)
fetch/         source → bytes, within the operator's limits
picture        a decoded picture, its views, and what is needed of them (plain values)
processes/     untrusted files are opened in processes of their own: bytes → views, through the files that follow
views          a file → the views of it: frames, windows, readings, second looks
decode/        bytes → upright sRGB pixels, as a viewer would show them
extras         formats that need packages of their own
windows        parts of long pictures (pure)
prepare        pixels → what encoders and checks need of them
second_looks   pictures in a picture, the picture unstretched, its negative
insets         where other pictures lie in a picture (pure)
encoder        the protocol of all encoders, their fingerprint, and their error
local/         local features: keypoints and their descriptors; no torch
pdq            Meta's perceptual hash as a unit vector; needs no weights
network/       vectors from neural networks: words, OpenCLIP, timm
projection     shorter vectors: principal components, and an encoder that applies them to another's
look           views → looks: their vectors
allocator      returns free memory to the system
choose         a configured encoder → the encoder
encoders       the configured encoders by name, loaded when they are needed
probe          checks with one known picture (probe.png) that an encoder still gives the vectors of the sets
draw_probe     the script that draws it
draw_sample draws pictures like photographs, to measure with
"""
