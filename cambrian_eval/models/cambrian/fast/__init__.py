"""Many questions through one Cambrian model, as fast as the hardware allows and with the same tokens as `generate`.

Taken from libraries: the network's own steps (`encode_images`, `prepare`, the decoder with its samplers), which are
transformers' layers, attention functions and `Cache`; and PyTorch's fused attention. Written here is what these lack:

- transformers' continuous batching serves text decoders from ids; it supports neither spliced embeddings nor samplers
  between layers, and shares prefixes by blocks of ids, which do not identify the image. `layout` and `batch` share an
  image's prefix by one attention mask over a row of side-by-side questions.
- its dynamic cache copies itself for every token and its static one fixes the length; `cache` grows in place.
- `generate` runs a batch until its longest response ends; `decode` drops finished questions earlier.
- `alone` runs a question by itself where float32 cannot separate two ids, so that shared responses are exact.
- `images`, `planning`, `memory` and `driver` have no counterpart: preprocessing ahead of the device, a cache of encoded
  images with a memory limit, batches of similar length, smaller batches when memory runs out.
"""

from .driver import Driver, Failure
from .questions import Generated, ImageSource, Question

__all__ = ["Driver", "Failure", "Generated", "ImageSource", "Question"]
