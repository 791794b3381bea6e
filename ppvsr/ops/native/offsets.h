// Offsets and masks of a deformable convolution from what its network answered; knows nothing of Paddle.
#pragma once

#include <vector>

namespace ppvsr {

struct Offsets {
  long n, channels, pixels;         // channels: of the offsets, two for every tap of every group
  float reach;                      // how far an offset may go from where it starts
  std::vector<const float*> flows;  // (n, 2, pixels) each, x first: where the offsets of equal parts of the groups start
  const float *offset, *mask;       // or where they start, and masks to average with; nullptr with flows

  long masks() const { return channels / 2; }
};

// answer (n, channels + masks, pixels) -> offset (n, channels, pixels), y first, and mask (n, masks, pixels), 0 to 1.
void make_offsets(const Offsets& o, const float* answer, float* offset, float* mask);

}  // namespace ppvsr
