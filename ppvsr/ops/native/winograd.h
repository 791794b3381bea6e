// 3x3 convolution of stride 1, zeros around the picture, on plain float arrays (NCHW); knows nothing of Paddle.
#pragma once

#include <cstddef>
#include <vector>

namespace ppvsr {

struct Convolution {
  long n, h, w, ci, co;
  std::vector<const float*> planes;  // the channels (h, w) of all pictures, n * ci of them
  const float* weight;               // (36, ci, co), transformed: see winograd.cc
  const float* bias;                 // (co)
  float slope;                       // what is below zero is multiplied by it after the bias was added
  const float* plus;                 // (n, co, h, w), added at the end, or nullptr
  bool shuffled;                     // then, without `plus`, a pixel shuffle: out is (n, co / 4, 2h, 2w)
};

// -> out (n, co, h, w). The same numbers whatever the number of threads.
void convolve(const Convolution& conv, float* out);

// weight (co, ci, 3, 3) -> what `convolve` takes; `back`: of the convolution from co to ci channels that brings a
// gradient back to the input.
std::vector<float> transform_weight(const float* weight, long ci, long co, bool back);

// What came in at the output of `conv`, `grad`, of its size -> before shuffle and activation: to (n, co, h, w).
void undo(const Convolution& conv, const float* out, const float* grad, float* to);

// grad (n, co, h, w) from `undo` -> the gradients of the weight (co, ci, 3, 3) and of the bias (co). The same numbers
// whatever the number of threads.
void learn(const Convolution& conv, const float* grad, float* weight, float* bias);

}  // namespace ppvsr
