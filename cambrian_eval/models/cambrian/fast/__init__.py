"""Many questions through one Cambrian model, as fast as the hardware allows and with the same tokens out.

Off the shelf: the network's own steps (`encode_images`, `prepare`, the decoder with its samplers), which
are transformers' layers, attention functions and `Cache`; and PyTorch's fused attention. Written by hand is
what these lack:

- transformers' continuous batching serves text decoders from ids; it knows neither spliced embeddings nor
  samplers between layers, and shares prefixes by blocks of ids, which say nothing of the image. `layout`
  and `wave` share an image's prefix by one attention mask over a row of side-by-side questions.
- its dynamic cache copies itself for every token and its static one fixes the length; `cache` grows in place.
- `generate` runs a batch until its longest answer; `decode` drops ended questions on the way.
- `alone` asks a question by itself where float32 cannot tell two ids apart, so that shared answers are exact.
- `images`, `planning`, `memory` and `driver` have no counterpart: preprocessing ahead, images encoded once
  within a memory bound, waves of like length, backing off when memory runs out.
"""

from .driver import Driver, Failure
from .questions import Answer, Question, Shown

__all__ = ["Answer", "Driver", "Failure", "Question", "Shown"]
